"""The context manager that opens an audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import _backend
from ._backend import BackendName
from ._errors import AuditError
from ._record import opened
from ._report import Report


@contextmanager
def audit(budget: int | None = None, *, backend: BackendName = "auto", launches: bool = False) -> Iterator[Report]:
    """Record the host syncs of this thread, and of autograd threads that work for it, while the block runs.

    Audits nest: each one records all syncs while it is open. An exception from the block propagates and is not replaced by a
    budget error.

    Args:
        budget: hard syncs that are permitted outside `allow` regions; None only records.
        backend: ``auto`` uses what this process has: the simulated or the dry-run device if it is installed, else a real GPU,
            else it installs the simulated device, which stays until the process exits, as ``simulated`` does. ``dry-run`` needs
            a process that was started with it; see `syncfree.audit.dry_run`. The report says which one it was, in ``backend``,
            and in ``basis`` what that one can show.
        launches: count kernel launches and copies by line, too, in ``report.activities``; only the dry run can.

    Raises:
        ValueError: a negative budget, or an unknown back end.
        AuditError: no back end can run here, or not one that sees launches; the message gives the next step.
        SyncBudgetExceeded: at the end of the block, with every site, its count and its replacement.
    """
    chosen = _backend.select(backend)
    if launches:
        if chosen.name != "dry-run":
            raise AuditError(f"only a dry run sees each launch, and this audit uses the {chosen.name} back end: see syncfree.audit.dry_run")
        from .dry_run import count_activities

        count_activities()
    report = Report(budget, chosen.name, chosen.basis)
    with opened(report), chosen.watching():
        yield report
    report.check()
