"""The hooks of the pytest plugin: they select and run the audited tests, and print their report."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, get_args

import pytest

from . import _pytest_process
from ._backend import BackendName
from ._record import opened
from ._report import Report

_PROPERTY = "sync_audit"
_REPORT = pytest.StashKey[Report]()
_PROCESS = pytest.StashKey[_pytest_process.AuditProcess]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("sync audit")
    group.addoption("--sync-report", action="store_true", help="list every audited test with its host syncs, by call site")
    group.addoption(
        "--sync-backend",
        choices=get_args(BackendName),
        default="auto",
        help="what detects the syncs: auto is cuda where torch has a GPU, else simulated",
    )


@pytest.fixture
def sync_audit(request: pytest.FixtureRequest) -> Report:
    """Return the `syncfree.audit.Report` of this test; it records while the test function runs, not in other fixtures."""
    return _report_of(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run an audited test in the audit process, where it needs one."""
    config = item.config
    if not _is_audited(item) or _pytest_process.is_audit_process(config) or _uses_real_gpu(config):
        return None
    process = config.stash.get(_PROCESS, None)
    if process is None:
        audited = [other.nodeid for other in item.session.items if _is_audited(other)]
        process = config.stash[_PROCESS] = _pytest_process.AuditProcess(config, audited)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in process.run(item):
        item.ihook.pytest_runtest_logreport(report=report)
    # The fixtures that unaudited tests set up here for a module end with its last test, in whichever process that ran.
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Audit the test function."""
    if not _is_audited(item):
        return (yield)
    report = _report_of(item)
    with ExitStack() as stack:
        stack.enter_context(opened(report))
        stack.enter_context(_watching(item, report))
        try:
            result = yield
        finally:
            item.user_properties.append((_PROPERTY, _summary(report)))
    if report.is_over_budget:
        pytest.fail(report.over_budget_text(), pytrace=False)
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the audit process."""
    process = config.stash.get(_PROCESS, None)
    if process is not None:
        process.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print ``--sync-report``."""
    if not config.getoption("sync_report"):
        return
    rows = [
        (report.nodeid, dict(report.user_properties)[_PROPERTY])
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call" and _PROPERTY in dict(report.user_properties)
    ]
    terminalreporter.section("host syncs")
    for nodeid, summary in sorted(rows):
        budget = "-" if summary["budget"] is None else summary["budget"]
        terminalreporter.write_line(
            f"{summary['hard']:5d} hard {summary['soft']:5d} soft {summary['allowed']:5d} allowed, budget {budget}, "
            f"{summary['backend']}: {nodeid}"
        )
        for line in summary["sites"]:
            terminalreporter.write_line(f"      {line}")
    if not rows:
        terminalreporter.write_line("no audited test ran; mark one with @pytest.mark.sync_budget(0)")


def _is_audited(item: pytest.Item) -> bool:
    return item.get_closest_marker("sync_budget") is not None or "sync_audit" in getattr(item, "fixturenames", ())


def _uses_real_gpu(config: pytest.Config) -> bool:
    name = config.getoption("sync_backend")
    return name == "cuda" or (name == "auto" and _pytest_process.torch_has_gpu())


def _report_of(item: pytest.Item) -> Report:
    """Return the item's report, made on first use."""
    report = item.stash.get(_REPORT, None)
    if report is None:
        from . import _backend

        budget, _ = _marker(item)
        backend = _backend.select("auto")
        report = item.stash[_REPORT] = Report(budget, backend.name, backend.basis)
    return report


def _marker(item: pytest.Item) -> tuple[int | None, bool]:
    """Budget and poison mode of an item."""
    marker = item.get_closest_marker("sync_budget")
    if marker is None:
        return None, False

    def sync_budget(n: int, poison: bool = False) -> tuple[int, bool]:
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise TypeError(f"n is a number of syncs from 0, got {n!r}")
        return n, poison

    try:
        return sync_budget(*marker.args, **marker.kwargs)
    except TypeError as error:
        problem = str(error).rpartition(".")[2]
    pytest.fail(f"@pytest.mark.sync_budget(n, poison=False) of {item.nodeid}: {problem}", pytrace=False)


@contextmanager
def _watching(item: pytest.Item, report: Report) -> Iterator[None]:
    from . import _backend, simulated

    with _backend.select("auto").watching():
        # Poison mode needs the simulated device.
        if _marker(item)[1] and report.backend == "simulated":
            with simulated.poison():
                yield
        else:
            yield


def _summary(report: Report) -> dict[str, Any]:
    return {
        "budget": report.budget,
        "backend": report.backend,
        "hard": report.count,
        "soft": len(report.soft),
        "allowed": len(report.allowed),
        "sites": [f"{site.count} x {site.kind} {site.op} at {site.where}" for site in report.sites()],
    }
