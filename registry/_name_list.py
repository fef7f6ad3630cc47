"""A list of names that the user gave: ``name`` to allow, ``-name`` to deny."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ._errors import nearest
from ._text import clipped


@dataclass(frozen=True, slots=True)
class NameList:
    """Names and where they come from: a variable, or a file and its key."""

    words: Sequence[str]
    source: str

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names without a minus, in order, without duplicates."""
        return tuple(dict.fromkeys(word for word in self.words if not word.startswith("-")))

    @property
    def denied(self) -> frozenset[str]:
        """The names with a minus, without it."""
        return frozenset(word[1:].strip() for word in self.words if word.startswith("-"))

    def contradictions(self) -> list[str]:
        """Return a message for each name that is both allowed and denied."""
        both = [clipped(name) for name in self.allowed if name in self.denied]
        return [f"{self.source} both allows and denies {name!r}: remove {name!r} or '-{name}'" for name in both]

    def unknown(self, what: str, known: Iterable[str]) -> list[str]:
        """Return a message for each unknown name, with the nearest known one."""
        valid = set(known)
        names = [name for name in (*self.allowed, *sorted(self.denied)) if name not in valid]
        return [f"{self.source} names the unknown {what} {clipped(name)!r}{nearest(name, valid)}" for name in names]
