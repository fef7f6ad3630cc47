"""The sync auditor: prove that a code path does not make the host wait for the GPU, with or without one.

    from syncfree.audit import audit, allow, step

    with audit(budget=0) as report:
        for t in timesteps:
            step()
            latents = scheduler.step(noise, t, latents)
        with allow("the result is needed here"):
            image = latents.cpu()

Importing this module imports no torch. See docs/audit.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import _backend
from ._backend import BackendName
from ._errors import AuditError, PinnedMemoryRace, SyncBudgetExceeded
from ._record import Frame, Kind, Sync, allow, opened, step
from ._report import Report, Site

__all__ = [
    "AuditError",
    "Frame",
    "Kind",
    "PinnedMemoryRace",
    "Report",
    "Site",
    "Sync",
    "SyncBudgetExceeded",
    "allow",
    "audit",
    "step",
]


@contextmanager
def audit(budget: int | None = None, *, backend: BackendName = "auto") -> Iterator[Report]:
    """Record every host sync of this thread, and of the autograd threads that work for it, while the block runs.

    Audits nest: each one sees all syncs while it is open. An exception from the block propagates and is not
        replaced by a budget error.

    Args:
        budget: hard syncs that are permitted outside `allow` regions; None only records.
        backend: ``auto`` uses the simulated device where it is installed, else the real GPU. ``simulated``
            installs the simulated device in this process, for good.

    Raises:
        ValueError: a negative budget, or an unknown back end.
        AuditError: there is nothing to audit with; the message says what to do.
        SyncBudgetExceeded: at the end of the block, with every site, its count and its replacement.
    """
    if budget is not None and budget < 0:
        raise ValueError(f"a budget is a number of syncs from 0, or None for no limit; got {budget}")
    chosen = _backend.select(backend)
    report = Report(budget, chosen.name)
    with opened(report), chosen.watching():
        yield report
    report.check()
