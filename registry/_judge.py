"""Does a binding fit the installed release? Judged from source files and recorded data; nothing is imported.

In this order, and the first rung that fails decides:

1. **version**: the installed release lies in the range of one of the binding's forms;
2. **presence**: every target exists in the source;
3. **signature**: the target's parameters are the recorded ones;
4. **fingerprint**: the target's code is the code that was read when the form was written, for some release of its range.

Verdicts: ``needed`` (this release stalls here), ``upstreamed`` (it has the fix), ``absent`` (the target is not there),
``unknown`` (not seen before).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ._frameworks import Installed
from .adapting import Binding, Form
from .fingerprints._fingerprint import FunctionRecord, SourceUnreadable, fingerprint
from .fingerprints._releases import Releases

Verdict = Literal["needed", "upstreamed", "absent", "unknown"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason, and the form to bind by (None when there is nothing to bind)."""

    verdict: Verdict
    reason: str
    form: Form | None = None


def judge(binding: Binding, installed: Installed, releases: Releases) -> Judgement:
    """Judge one binding against an installed framework."""
    try:
        found = _records(binding, installed, releases)
    except SourceUnreadable as error:
        return Judgement("unknown", f"its source cannot be read: {error}")
    missing = [target for target in binding.targets if found[target] is None]
    form = _form_of(binding, installed.version)
    if missing:
        unexpected = [target for target in missing if not _known_without(target, installed.version, releases)]
        if unexpected and form is not None and form.status == "needed" and _recorded(unexpected[0], form, releases):
            return Judgement("unknown", f"{unexpected[0]} is gone, although {form.releases} had it")
        return Judgement("absent", f"{installed} has no {missing[0]}")
    present = {target: record for target, record in found.items() if record is not None}
    if form is None:
        return _outside(binding, installed, present, releases)
    for target in (*binding.targets, *binding.depends):
        if target not in present and _known_without(target, installed.version, releases):
            continue
        problem = _difference(target, present.get(target), form, releases)
        if problem:
            if target in present and _same_body(binding, target, present[target], releases, "upstreamed"):
                return Judgement("upstreamed", f"{installed} carries the code of a release that has the fix", None)
            fits = _signatures_fit(binding, form, present, releases)
            return Judgement("unknown", problem, form if fits else None)
    return Judgement(form.status, form.why, form)


def _records(binding: Binding, installed: Installed, releases: Releases) -> dict[str, FunctionRecord | None]:
    """What the functions of a binding look like in what is installed; None for one that is not there."""
    found: dict[str, FunctionRecord | None] = {}
    for module, targets in _by_module((*binding.targets, *binding.depends)).items():
        path = installed.source(module)
        if path is None:
            found |= dict.fromkeys(targets)
            continue
        try:
            text = path.read_text("utf-8")
            same = releases.same_source(module, text)
            for target in targets:
                # A source that was read, to the letter: what is in it is known, and parsing would take 20 ms.
                known = same is not None and target in releases.seen
                found[target] = releases.record(target, same or "") if known else fingerprint(text, target.split(":")[1])
        except (OSError, UnicodeDecodeError, SourceUnreadable) as error:
            raise SourceUnreadable(f"{path}: {error}") from error
    return found


def _by_module(targets: Iterable[str]) -> dict[str, list[str]]:
    modules: dict[str, list[str]] = {}
    for target in targets:
        modules.setdefault(target.split(":")[0], []).append(target)
    return modules


def _form_of(binding: Binding, version: Version | None) -> Form | None:
    if version is None:
        return None
    return next((form for form in binding.forms if _covers(form, version)), None)


def _covers(form: Form, version: Version) -> bool:
    return SpecifierSet(form.releases).contains(version, prereleases=True)


@lru_cache
def _within(form_releases: str, names: tuple[str, ...]) -> tuple[str, ...]:
    specifier = SpecifierSet(form_releases)
    return tuple(name for name in names if specifier.contains(Version(name), prereleases=True))


def _recorded(target: str, form: Form, releases: Releases) -> list[FunctionRecord]:
    versions = _within(form.releases, releases.releases())
    return [record for release in versions if (record := releases.record(target, release)) is not None]


def _known_without(target: str, version: Version | None, releases: Releases) -> bool:
    """This very release was read, and does not have the target."""
    if version is None:
        return False
    same = [name for name in releases.releases() if Version(name) == Version(version.public)]
    return bool(same) and releases.record(target, same[0]) is None


def _difference(target: str, found: FunctionRecord | None, form: Form, releases: Releases) -> str | None:
    known = _recorded(target, form, releases)
    if found is None:
        return None if not known else f"{target}, which the replacement relies on, is gone"
    if not known:
        return f"{target} was never recorded for {form.releases}"
    signatures = sorted({record.signature for record in known})
    if found.signature not in signatures:
        return f"the signature of {target} changed: expected {' or '.join(signatures)}, found {found.signature}"
    prints = sorted({record.fingerprint for record in known})
    if found.fingerprint not in prints:
        return f"the code of {target} changed: expected {' or '.join(prints)}, found {found.fingerprint}"
    return None


def _same_body(binding: Binding, target: str, found: FunctionRecord, releases: Releases, status: str) -> str | None:
    """The range of a form of this status that had exactly this code; None when there is none."""
    for form in binding.forms:
        if form.status == status and any(r.fingerprint == found.fingerprint for r in _recorded(target, form, releases)):
            return form.releases
    return None


def _outside(binding: Binding, installed: Installed, present: dict[str, FunctionRecord], releases: Releases) -> Judgement:
    ranges = " or ".join(form.releases for form in binding.forms)
    for status in ("upstreamed", "needed"):
        same = [_same_body(binding, target, present[target], releases, status) for target in present]
        if all(same):
            if status == "upstreamed":
                return Judgement("upstreamed", f"not seen before, but its code is that of {same[0]}")
            form = next(form for form in binding.forms if form.releases == same[0])
            return Judgement(
                "unknown", f"{installed} was not seen before (seen: {ranges}); its code is that of {same[0]}", form
            )
    fits = (form for form in reversed(binding.forms) if _signatures_fit(binding, form, present, releases))
    return Judgement("unknown", f"{installed} was not seen before (seen: {ranges}), and its code is new", next(fits, None))


def _signatures_fit(binding: Binding, form: Form, present: dict[str, FunctionRecord], releases: Releases) -> bool:
    return all(
        present[target].signature in {record.signature for record in _recorded(target, form, releases)}
        for target in binding.targets
    )
