"""What goes wrong in an audit, and whose fault it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import SyncfreeError

if TYPE_CHECKING:
    from ._report import Report


class AuditError(SyncfreeError, RuntimeError):
    """The audit cannot be done as asked: what was asked, what is there, and what to do."""


class SyncBudgetExceeded(AssertionError):
    """The audited code made the host wait more often than its budget allows.

    Attributes:
        report: the `syncfree.audit.Report` with every sync.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.over_budget_text())


class PinnedMemoryRace(AssertionError):
    """Poison mode: host or device memory was used before the ``non_blocking`` copy that needs it was ordered."""
