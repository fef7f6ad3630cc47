"""The pytest plugin: ``@pytest.mark.sync_budget(n)``, the ``sync_audit`` fixture and ``--sync-report``.

Where torch has a GPU, audited tests run in this process, on the CUDA back end. Elsewhere they run on the simulated device
in a separate process, which is started before the first of them; all other tests stay in this process, unaffected. Loading
this plugin imports no torch.

pytest loads it in every environment that it is installed in. Under a release of pytest that it does not support it only
reports that, and fails the marked tests, because their syncs would not be counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING or getattr(pytest, "version_tuple", (0, 0)) >= (8, 2):
    from ._pytest_hooks import (
        pytest_addoption,
        pytest_runtest_call,
        pytest_runtest_protocol,
        pytest_terminal_summary,
        pytest_unconfigure,
        sync_audit,
    )

    __all__ = [
        "pytest_addoption",
        "pytest_runtest_call",
        "pytest_runtest_protocol",
        "pytest_terminal_summary",
        "pytest_unconfigure",
        "sync_audit",
    ]
else:
    from ._pytest_too_old import pytest_report_header, pytest_runtest_setup

    __all__ = ["pytest_report_header", "pytest_runtest_setup"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "sync_budget(n, poison=False): fail when the test makes the host wait for the device more than n times; poison=True "
        "also shows races of non_blocking copies (simulated device only)",
    )
