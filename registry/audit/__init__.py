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

from ._context import audit
from ._errors import AuditError, PinnedMemoryRace, SyncBudgetExceeded
from ._events import Frame, Kind, Sync
from ._record import allow, step
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
