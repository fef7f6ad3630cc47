"""A plugin of pytest: what each test waited for and how it ended, in the file that ``WAITS_BY_TEST`` names, one JSON line for each.

Tests that the file already has are not run: those of a process that died before. A test fails after ``SECONDS_BY_TEST`` of CPU time.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

import syncfree
from syncfree.audit import audit, dry_run

_file = Path(os.environ["WAITS_BY_TEST"])
_known = {json.loads(line)["test"] for line in _file.read_text().splitlines()} if _file.exists() else set()
_now: dict[str, Any] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are in the file."""
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in _known])
    items[:] = [item for item in items if item.nodeid not in _known]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Keep a file that cannot be imported."""
    if report.failed:
        _write(test=report.nodeid, outcome="failed", why=_reason(report.longrepr))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Write which test runs, in case that the process does not live to see its end."""
    _now.clear()
    _write(test=item.nodeid, outcome="not ended")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Count what a test waits for, the calls of implementations other than upstream's, and the operators without values."""
    seconds = int(os.environ["SECONDS_BY_TEST"])
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, lambda *_: pytest.fail(f"stopped after {seconds} s of CPU time"))  # no Exception, which may be caught
    calls, unreal = _calls(), _unreal()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(20 * seconds)  # a test that waits for what does not come
    with audit(backend="dry-run") as report:
        yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)
    _now.update(waits=report.count, calls=_calls() - calls, unreal=sorted(_unreal() - unreal))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Write how a test ended, and why if it did not pass."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" or not report.passed:
        why = {} if report.passed else {"why": _reason(report.longrepr)}
        _write(test=item.nodeid, outcome=report.outcome, **why, **_now)


def _write(**what: object) -> None:
    with _file.open("a") as file:
        file.write(json.dumps(what) + "\n")


def _calls() -> Counter[str]:
    found: Counter[str] = Counter()
    for hook, by_target in syncfree.counters().items():
        for by_choice in by_target.values():
            found[hook] += sum(counts.calls for choice, counts in by_choice.items() if choice != "upstream")
    return found


def _unreal() -> Counter[str]:
    modes = [mode for mode in _get_current_dispatch_mode_stack() if isinstance(mode, dry_run.Values)]
    return Counter({what: number for mode in modes for what, number in mode.missing.items()})


def _reason(text: object) -> str:
    if isinstance(text, tuple):  # a skip: file, line, reason
        return str(text[2])
    error = [line.removeprefix("E").strip() for line in str(text).splitlines() if line.startswith("E  ")]
    return " ".join(filter(None, error[:2] or str(text).splitlines()[-1:]))[:200]
