"""The errors of an audit: it cannot run, or the audited code failed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import DocumentedError, SyncfreeError

if TYPE_CHECKING:
    from ._report import Report


class AuditError(SyncfreeError, RuntimeError):
    """The audit cannot run as requested; the message names the request, the available options and the next step."""

    page = "docs/audit.md"


class SyncBudgetExceeded(DocumentedError, AssertionError):
    """The audited code made the host wait more often than its budget allows. The message has a line or more for each site.

    Attributes:
        report: the `syncfree.audit.Report` with every sync.
    """

    page = "docs/audit.md"

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.over_budget_text())

    def __reduce__(self) -> tuple[type[SyncBudgetExceeded], tuple[Report], dict[str, object]]:
        # The default calls the class with the message.
        return type(self), (self.report,), self.__dict__


class PinnedMemoryRace(DocumentedError, AssertionError):
    """Poison mode: host or device memory was used without waiting for the ``non_blocking`` copy of it."""

    page = "docs/audit.md"
