"""The report of an audit."""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from . import _rules
from ._errors import SyncBudgetExceeded
from ._events import Activity, Frame, Kind, Sync


@dataclass(frozen=True, slots=True)
class Site:
    """One line of code that made the host wait, and how often.

    Attributes:
        replacement: how to get the same value without waiting, from the rule table.
    """

    count: int
    kind: Kind
    op: str
    hard: bool
    where: Frame
    replacement: str

    def __str__(self) -> str:
        severity = "sync" if self.hard else "soft"
        source = linecache.getline(self.where.file, self.where.line).strip()
        line = f"{self.count:6d} x {severity} {self.kind.value:<10} {self.op}\n         at {self.where}"
        if source:
            line += f"\n            {source}"
        return f"{line}\n         instead: {self.replacement}"


class Report:
    """Every sync of one audit, in order; it grows while the audit is open.

    ``len(report)`` and ``report.count`` are the number of hard syncs outside `allow` regions: what a budget limits.

    Attributes:
        budget: the number of hard syncs that are permitted, None for no limit.
        backend: ``cuda``, ``dry-run`` or ``simulated``.
        basis: what the counts of that back end rest on, and what it cannot show.
        everything: all syncs, hard and soft, allowed or not.
        phases: the name of each `step` that began while the audit was open.
        activities: how often each line launched a kernel or copied; empty unless the audit was opened with ``launches``.
    """

    def __init__(self, budget: int | None, backend: str, basis: str = "") -> None:
        if budget is not None and budget < 0:
            raise ValueError(f"a budget is a number of syncs, 0 or more, or None for no limit; got {budget}")
        self.budget = budget
        self.backend = backend
        self.basis = basis
        self.everything: list[Sync] = []
        self.phases: list[str] = []
        self.activities: Counter[Activity] = Counter()
        self._starts: list[int] = []

    def add(self, sync: Sync) -> None:
        """Add one sync; called by the recorder."""
        self.everything.append(sync)

    def note(self, activity: Activity, bytes_: int) -> None:
        """Count one activity; called by the recorder."""
        self.activities[activity] += 1

    def begin_step(self, phase: str) -> None:
        """Add the beginning of a step; called by the recorder."""
        self.phases.append(phase)
        self._starts.append(len(self.everything))

    @property
    def hard(self) -> list[Sync]:
        """Syncs that drain the queue, outside `allow` regions."""
        return [sync for sync in self.everything if sync.hard and sync.allowed is None]

    @property
    def soft(self) -> list[Sync]:
        """Copies that the driver stages through pageable memory, outside `allow` regions."""
        return [sync for sync in self.everything if not sync.hard and sync.allowed is None]

    @property
    def allowed(self) -> list[Sync]:
        """Syncs inside `allow` regions."""
        return [sync for sync in self.everything if sync.allowed is not None]

    @property
    def count(self) -> int:
        """Number of hard syncs outside `allow` regions."""
        return len(self.hard)

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return True  # a report without a sync is still a report

    def __iter__(self) -> Iterator[Sync]:
        return iter(self.everything)

    def sites(self, *, allowed: bool = False) -> list[Site]:
        """Return call sites, hard syncs first, most frequent first; those in `allow` regions when ``allowed``."""
        return sites(sync for sync in self.everything if (sync.allowed is not None) == allowed)

    def per_step(self) -> list[int]:
        """Return the number of hard syncs outside `allow` regions between each `step` call and the next one."""
        ends = [*self._starts[1:], len(self.everything)]
        return [
            sum(sync.hard and sync.allowed is None for sync in self.everything[start:end])
            for start, end in zip(self._starts, ends, strict=False)
        ]

    def check(self) -> None:
        """Raise `SyncBudgetExceeded` when there are more hard syncs than the budget."""
        if self.is_over_budget:
            raise SyncBudgetExceeded(self)

    @property
    def is_over_budget(self) -> bool:
        """Return whether there are more hard syncs than the budget."""
        return self.budget is not None and self.count > self.budget

    def over_budget_text(self) -> str:
        """Return the message of `SyncBudgetExceeded`."""
        return f"the host waited {_times(self.count)} for the device, budget {self.budget} ({self.backend} back end)\n{self}"

    def __str__(self) -> str:
        lines = [str(site) for site in self.sites()]
        if not lines:
            lines = ["no host sync"]
        if self.allowed:
            reasons = Counter(sync.allowed for sync in self.allowed)
            lines += [f"{number:6d} x allowed: {reason}" for reason, number in reasons.most_common()]
        if self.basis:
            lines.append(f"note: {self.basis}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {self.count} hard, {len(self.soft)} soft, {len(self.allowed)} allowed, {self.backend}>"


def sites(syncs: Iterator[Sync]) -> list[Site]:
    """Group syncs by line, kind and operator: hard ones first, most frequent first."""
    counts: Counter[tuple[Kind, str, bool, Frame]] = Counter((sync.kind, sync.op, sync.hard, sync.where) for sync in syncs)
    found = [
        Site(number, kind, op, hard, where, _rules.replacement(kind, op, hard=hard, source=_source(where)))
        for (kind, op, hard, where), number in counts.items()
    ]
    return sorted(found, key=lambda site: (not site.hard, -site.count))


def _source(where: Frame) -> str:
    return linecache.getline(where.file, where.line)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
