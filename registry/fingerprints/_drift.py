"""The history of a function from one release to the next: the same, changed, moved, gone.

A function that is not where it was is looked for in the whole package: first the same code under the same last name, then the
same qualified name in another module. What was moved is followed from there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from .._target import parse
from ._definitions import SourceUnreadable, functions_named, text_of
from ._fingerprint import FunctionRecord, fingerprint
from ._wheels import Sources

Kind = Literal["same", "changed", "moved", "moved and changed", "gone", "first seen", "not found"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function in one release: where it is, what is recorded of it, its text."""

    target: str
    record: FunctionRecord
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """A release in which a function is not what it was in the release before.

    Attributes:
        release: the release.
        kind: what happened.
        target: where the function is now, or was last.
        diff: a unified diff of the function's text; empty where nothing changed or nothing is left.
    """

    release: str
    kind: Kind
    target: str
    diff: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The events of one function over some releases, oldest first.

    Attributes:
        target: as it was asked for.
        events: see `Event`; releases in which nothing happened are left out.
        last: the function in the newest release; None when that release does not have it.
        was_seen: some release has it.
    """

    target: str
    events: tuple[Event, ...]
    last: Function | None
    was_seen: bool

    def since(self, release: str | None, releases: list[str]) -> History:
        """Return the history without the events up to a release."""
        if release is None:
            return self
        later = set(releases[releases.index(release) + 1 :])
        return replace(self, events=tuple(event for event in self.events if event.release in later))

    @property
    def kind(self) -> Kind:
        """The verdict over all releases: the gravest event; ``not found`` in none of the releases."""
        kinds = {event.kind for event in self.events}
        if self.last is None:
            return "gone" if self.was_seen else "not found"
        moved, changed = (any(word in kind for kind in kinds) for word in ("moved", "changed"))
        if moved and changed:
            return "moved and changed"
        return "moved" if moved else "changed" if changed else "same"


def trace(targets: Iterable[str], releases: Iterable[Sources]) -> list[History]:
    """Follow functions through releases, given oldest first; one history per target.

    Raises:
        SourceUnreadable: this Python cannot parse a source file.
        SelectionError: sources cannot be read.
    """
    followed: dict[str, tuple[list[Event], str, Function | None]] = {target: ([], target, None) for target in targets}
    for sources in releases:
        found = functions(sources, {place for _, place, _ in followed.values()})
        for target, (events, place, before) in followed.items():
            now = found.get(place) or (moved_to(sources, before) if before is not None else None)
            event = _event(sources.release, place, before, now, seen=bool(events))
            if event is not None:
                events.append(event)
            followed[target] = events, place if now is None else now.target, now
    return [History(target, tuple(events), last, bool(events)) for target, (events, _, last) in followed.items()]


def functions(sources: Sources, targets: Iterable[str]) -> dict[str, Function]:
    """Return those of the functions that a release has."""
    by_module: dict[str, list[str]] = {}
    for target in targets:
        by_module.setdefault(parse(target).module, []).append(target)
    found = {}
    for module, source in sources.texts(by_module):
        for target in by_module[module]:
            function = _function(sources, module, source, parse(target).qualname)
            if function is not None:
                found[target] = function
    return found


def moved_to(sources: Sources, before: Function) -> Function | None:
    """Look in a whole release for a function that is no longer where it was; None when nothing is like it."""
    was = parse(before.target)
    elsewhere: list[Function] = []
    for module, source in sources.modules_of(was.module.partition(".")[0], f"def {was.name}("):
        for qualname in functions_named(source, was.name):
            function = _function(sources, module, source, qualname)
            if function is not None and function.record.fingerprint == before.record.fingerprint:
                return function
            if function is not None and qualname == was.qualname:
                elsewhere.append(function)
    # Methods such as `forward` of a class of the same name are told apart by their class; two such classes are a guess.
    return elsewhere[0] if len(elsewhere) == 1 else None


def _function(sources: Sources, module: str, source: str, qualname: str) -> Function | None:
    try:
        record, text = fingerprint(source, qualname), text_of(source, qualname)
    except SourceUnreadable as error:
        raise SourceUnreadable(f"{module} of {sources.distribution} {sources.release}: {error}") from error
    return None if record is None or text is None else Function(f"{module}:{qualname}", record, text)


def _event(release: str, place: str, before: Function | None, now: Function | None, *, seen: bool) -> Event | None:
    if now is None:
        return Event(release, "gone", place) if before is not None else None
    if before is None:
        return Event(release, "changed" if seen else "first seen", now.target)
    moved, changed = now.target != before.target, now.record.fingerprint != before.record.fingerprint
    if not moved and not changed:
        return None
    kind: Kind = "moved and changed" if moved and changed else "moved" if moved else "changed"
    return Event(release, kind, now.target, _diff(before, now, release) if changed else "")


def _diff(before: Function, now: Function, release: str) -> str:
    lines = difflib.unified_diff(
        before.text.splitlines(), now.text.splitlines(), before.target, f"{now.target} in {release}", lineterm="", n=2
    )
    return "\n".join(lines)
