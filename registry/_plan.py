"""The plan: the state of each binding in this process, with the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ._process_group import Rank
from ._slot import Counts

State = Literal["bound", "waiting", "not bound", "refused", "restored", "replaced", "reloaded", "unloaded"]
"""``bound``: in place now. ``waiting``: will be bound when its module is imported. ``not bound``: nothing to do here.
``refused``: it does not fit. ``restored``: the original is back. ``replaced``: it was bound, and other code patched over it
since. ``reloaded``, ``unloaded``: it was bound, and its module was executed again since, or left ``sys.modules``."""

_DISPLACED = ("replaced", "reloaded", "unloaded")


@dataclass(frozen=True, slots=True)
class Entry:
    """One binding in this process.

    Attributes:
        framework: with its installed version, or None when it is not installed.
        verdict: ``stalls``, ``repeats work``, ``upstreamed``, ``absent``, ``unknown``.
        reason: why that verdict, or why it was refused.
        choice: the implementation in use, or ``upstream``; `source` says where it was chosen. In state ``replaced`` it is the
            binding's own: whether it is still called depends on the code that replaced it.
        counts: calls and declines by choice, per target.
    """

    hook: str
    framework: str
    version: str | None
    targets: tuple[str, ...]
    verdict: str
    reason: str
    choice: str
    source: str
    state: State
    lockstep: bool
    note: str
    counts: dict[str, dict[str, Counts]]

    @property
    def calls(self) -> int:
        """The number of calls of implementations other than upstream, over all targets."""
        return sum(c.calls for by_choice in self.counts.values() for name, c in by_choice.items() if name != "upstream")


@dataclass(frozen=True, slots=True)
class Plan:
    """All bindings of this process, the plugins that were left out, and the process's rank, if any."""

    pid: int
    enabled: bool
    loaded: tuple[str, ...]
    entries: tuple[Entry, ...]
    broken: tuple[str, ...]
    rank: Rank | None = None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def entry(self, hook: str, framework: str | None = None) -> Entry:
        """Return the one entry of a hook (in a framework).

        Raises:
            LookupError: the hook has no entry, or more than one.
        """
        found = [e for e in self.entries if e.hook == hook and framework in (None, e.framework)]
        if len(found) != 1:
            raise LookupError(
                f"{len(found)} entries for {hook!r} in {framework or 'any framework'}: {[e.targets for e in found]}"
            )
        return found[0]

    @property
    def manifest(self) -> str:
        """A hash of the choices and their targets; equal on ranks that run the same code. Counts and pids are not in it."""
        parts = sorted(
            (e.framework, e.version, e.hook, e.targets, e.choice, e.verdict, *((e.state,) if e.state in _DISPLACED else ()))
            for e in self.entries
            if e.state != "restored"
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-serializable data."""
        return {
            "pid": self.pid,
            "rank": asdict(self.rank) if self.rank is not None else None,
            "enabled": self.enabled,
            "manifest": self.manifest,
            "loaded": list(self.loaded),
            "broken_plugins": list(self.broken),
            "bindings": [asdict(entry) for entry in self.entries],
        }

    def summary(self) -> str:
        """Return the one log line of a process."""
        if not self.enabled:
            return "switched off"
        parts = []
        for state in ("bound", "waiting", "refused", "restored"):
            names = sorted(
                {
                    f"{e.hook}={e.choice}" if state in ("bound", "waiting") else e.hook
                    for e in self.entries
                    if e.state == state
                }
            )
            if names:
                parts.append(f"{_WORDS[state]} {', '.join(names)}")
        displaced = sorted({f"{e.hook} ({e.state})" for e in self.entries if e.state in _DISPLACED})
        if displaced:
            parts.append(f"no longer in place: {', '.join(displaced)}")
        return f"{'; '.join(parts) or 'nothing to bind'}; manifest {self.manifest}"


_WORDS = {"bound": "bound", "waiting": "to bind on import:", "refused": "refused:", "restored": "restored:"}
