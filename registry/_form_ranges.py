"""The releases that a form of an adapter covers, and those whose code it is known to fit.

A closed range (``>=0.20.0,<0.22``) is taken as written, and the form fits the code of every recorded release in it.

An open range (``>=0.22.0``) ends at the newest recorded release. A release can be recorded without being reviewed, so the
form fits only the code of the releases up to the adapter's ``reviewed``, or of the first release in the range that has the
function where that is later. A newer release with the same code is covered as soon as it is recorded; one with other code
is refused until the adapter is updated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from .adapting import Adapter, Binding, Form
from .fingerprints._fingerprint import FunctionRecord
from .fingerprints._releases import Releases

_specifier = lru_cache(SpecifierSet)
_CLOSING = {"<", "<=", "==", "===", "~="}


@dataclass(frozen=True, slots=True)
class FormRange:
    """A form with the releases that it covers.

    Attributes:
        form: the form; ``form.releases`` is closed.
        releases: the release data of the framework.
        recorded: the recorded releases in the range, oldest first.
        reviewed: how many of these, counted from the oldest, were reviewed for this form.
    """

    form: Form
    releases: Releases
    recorded: tuple[str, ...]
    reviewed: int

    def covers(self, version: Version) -> bool:
        """Return whether a version lies in the range."""
        return _specifier(self.form.releases).contains(version, prereleases=True)

    def known(self, target: str) -> list[FunctionRecord]:
        """Return a function's records in the releases that the form fits; empty if no recorded release of the range has it."""
        of_target = self.releases.seen.get(target, {})
        read = [of_target[name] for name in self.recorded[: self.reviewed] if name in of_target]
        return read or [of_target[name] for name in self.recorded if name in of_target][:1]


def form_ranges(adapter: Adapter, binding: Binding, releases: Releases) -> tuple[FormRange, ...]:
    """Return the forms of a binding with the releases that they cover, in the adapter's order."""
    found = []
    for form in binding.forms:
        closed, recorded, reviewed = _range(form.releases, releases.names, adapter.reviewed)
        found.append(FormRange(replace(form, releases=closed), releases, recorded, reviewed))
    return tuple(found)


def covering(ranges: tuple[FormRange, ...], version: Version | None) -> FormRange | None:
    """Return the form that covers a version; None when none does, or the version is unknown."""
    return None if version is None else next((candidate for candidate in ranges if candidate.covers(version)), None)


@lru_cache
def _range(written: str, names: tuple[str, ...], reviewed: str | None) -> tuple[str, tuple[str, ...], int]:
    """Return a range with its end, the recorded releases in it, and how many of these were reviewed."""
    ordered = sorted(names, key=Version)
    is_open = not any(clause.operator in _CLOSING for clause in _specifier(written))
    closed = f"{written},<={ordered[-1]}" if is_open and ordered else written
    inside = tuple(name for name in ordered if _specifier(closed).contains(Version(name), prereleases=True))
    if not is_open:
        return closed, inside, len(inside)
    return closed, inside, sum(reviewed is not None and Version(name) <= Version(reviewed) for name in inside)
