"""A plugin of pytest: how often the host waits in each test, and how it ended, in the file that ``WAITS_BY_TEST`` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncfree.audit import audit

found: dict[str, dict[str, Any]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count the waits of a test."""
    with audit(backend="dry-run") as report:
        yield
    found[item.nodeid] = {"waits": report.count, "sites": [f"{s.count} x {s.op} {s.where}" for s in report.sites() if s.hard]}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep how a test ended, and why if it did not pass."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" or not report.passed:
        found.setdefault(item.nodeid, {"waits": 0, "sites": []})["outcome"] = report.outcome
        if report.failed:
            found[item.nodeid]["why"] = str(report.longrepr).strip().splitlines()[-1]
        found[item.nodeid]["seconds"] = round(report.duration, 1)
        Path(os.environ["WAITS_BY_TEST"]).write_text(json.dumps(found, indent=1))
