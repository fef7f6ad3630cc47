"""The pytest plugin for releases of pytest that it does not support: it only fails the tests that need it."""

from __future__ import annotations

from typing import Any

import pytest

_REASON = f"@pytest.mark.sync_budget and the fixture sync_audit need pytest 8.2 or newer, this is {pytest.__version__}"


def pytest_report_header() -> str:
    """Return a header line that the plugin does nothing."""
    return f"syncfree: {_REASON}"


def pytest_runtest_setup(item: Any) -> None:
    """Fail a test with a budget, which would not be checked."""
    if item.get_closest_marker("sync_budget") is not None:
        pytest.fail(_REASON, pytrace=False)
