"""The context manager that opens an audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import _backend
from ._backend import BackendName
from ._record import opened
from ._report import Report


@contextmanager
def audit(budget: int | None = None, *, backend: BackendName = "auto") -> Iterator[Report]:
    """Record the host syncs of this thread, and of autograd threads that work for it, while the block runs.

    Audits nest: each one records all syncs while it is open. An exception from the block propagates and is not replaced by a
    budget error.

    Args:
        budget: hard syncs that are permitted outside `allow` regions; None only records.
        backend: ``auto`` uses the simulated device if it is installed, else the real GPU. ``simulated`` installs the
            simulated device, which stays until the process exits. ``dry-run`` needs a process that was started with it; see
            `syncfree.audit.dry_run`.

    Raises:
        ValueError: a negative budget, or an unknown back end.
        AuditError: no back end can run here; the message gives the next step.
        SyncBudgetExceeded: at the end of the block, with every site, its count and its replacement.
    """
    chosen = _backend.select(backend)
    report = Report(budget, chosen.name)
    with opened(report), chosen.watching():
        yield report
    report.check()
