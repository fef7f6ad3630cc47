"""The errors of an audit: it cannot run, or the audited code failed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import SyncfreeError

if TYPE_CHECKING:
    from ._report import Report


class AuditError(SyncfreeError, RuntimeError):
    """The audit cannot run as requested; the message names the request, the available options and the next step."""

    page = "docs/audit.md"


class SyncBudgetExceeded(AssertionError):
    """The audited code made the host wait more often than its budget allows.

    Attributes:
        report: the `syncfree.audit.Report` with every sync.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.over_budget_text())


class PinnedMemoryRace(AssertionError):
    """Poison mode: host or device memory was used without waiting for the ``non_blocking`` copy of it."""
