"""Judge whether a binding fits the installed release, from source files and recorded data; nothing is imported.

These checks are made in order, and the first that fails decides:

1. **version**: the installed release lies in the range of one of the binding's forms (`_form_ranges`: an open range ends at
   the newest recorded release), and the installed torch in the form's range of torch, where it has one;
2. **presence**: every target exists in the source;
3. **signature**: the target's parameters are the recorded ones;
4. **fingerprint**: the target's code is the code that the form was written for, in some release of its range.

Verdicts: ``stalls`` (this release makes the host wait here), ``repeats work`` (it does not, but does work that the
implementations save), ``upstreamed`` (it has the fix), ``absent`` (it does not have the target), ``unknown`` (not seen before).

`judge` reads the installed functions; `judge_records` decides, from records alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.version import Version

from ._form_ranges import FormRange, covering, form_ranges
from ._frameworks import Installed
from ._installed_torch import holds_with, torch_version
from ._target import parse
from .adapting import BOUND_BY_DEFAULT, Adapter, Binding, Form, Status
from .fingerprints._definitions import SourceUnreadable
from .fingerprints._fingerprint import FunctionRecord, fingerprint
from .fingerprints._releases import Releases

Verdict = Literal[Status, "absent", "unknown"]
Records = Mapping[str, FunctionRecord | None]
"""The record of each target; None for one that does not exist."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason, and the form to bind by (None when there is nothing to bind)."""

    verdict: Verdict
    reason: str
    form: Form | None = None


def judge(binding: Binding, installed: Installed, releases: Releases) -> Judgement:
    """Judge one binding against an installed framework; reads source files."""
    try:
        found = _records(binding, installed, releases)
    except SourceUnreadable as error:
        # Without the source nothing is known about the code, whatever the version is.
        return Judgement("unknown", f"its source cannot be read: {error}")
    torch = torch_version() if any(form.torch for form in binding.forms) else None
    return judge_records(installed.adapter, binding, installed.version, found, releases, torch)


def judge_records(
    adapter: Adapter,
    binding: Binding,
    version: Version | None,
    found: Records,
    releases: Releases,
    torch: Version | None,
) -> Judgement:
    """Judge one binding of an adapter against the records of its functions in a release. Reads no files.

    Args:
        adapter: the binding's adapter.
        binding: what to judge.
        version: the release's version; None when it is unknown.
        found: the records of the binding's ``targets`` and ``depends``.
        releases: the framework's recorded releases.
        torch: the torch that it runs with; None when that is unknown.
    """
    release = f"{adapter.framework} {version or 'of unknown version'}"
    of_every_torch = form_ranges(adapter, binding, releases)
    ranges = tuple(known for known in of_every_torch if holds_with(known.form.torch, torch))
    fits = covering(ranges, version)
    missing = [target for target in binding.targets if found[target] is None]
    if missing:
        unexpected = [target for target in missing if not _known_without(target, version, releases)]
        if unexpected and fits is not None and fits.form.status in BOUND_BY_DEFAULT and fits.known(unexpected[0]):
            # This release is known to be bound here, but its code is not the recorded one: the installation was modified.
            return Judgement("unknown", f"{unexpected[0]} is gone, although {fits.form.releases} had it")
        # Nothing to replace, and no reason to warn: recorded so, expected by no form, or upstream's fix stays in place.
        return Judgement("absent", f"{release} has no {missing[0]}")
    present = {target: record for target, record in found.items() if record is not None}
    if fits is None and covering(of_every_torch, version) is not None:
        return _of_no_torch(of_every_torch, release, version, torch)
    if fits is None:
        # Check 1 failed: no form covers this release, whatever its code is.
        return _outside(binding, ranges, release, present)
    for target in (*binding.targets, *binding.depends):
        if target not in present and _known_without(target, version, releases):
            # Only `depends` get here: this release was recorded without it, so the form was written for that.
            continue
        problem = _difference(target, present.get(target), fits)
        if problem:
            if target in present and _with_code_of(ranges, "upstreamed", target, present[target]):
                # The fix was backported into a release that had none: nothing to do, and no form to bind by.
                return Judgement("upstreamed", f"{release} contains the code of a release that has the fix", None)
            # With the recorded parameters the replacement can be called, so the user may override the refusal.
            return Judgement("unknown", problem, fits.form if _signatures_fit(fits, binding, present) else None)
    # All checks passed: this is the code that the form was written for.
    return Judgement(fits.form.status, fits.form.reason, fits.form)


def _records(binding: Binding, installed: Installed, releases: Releases) -> dict[str, FunctionRecord | None]:
    """Return the records of a binding's functions as installed; None for one that does not exist."""
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
                # Byte for byte a recorded source: its records are known, and parsing it would take 20 ms.
                known = same is not None and target in releases.seen
                found[target] = releases.record(target, same or "") if known else fingerprint(text, parse(target).qualname)
        except (OSError, UnicodeDecodeError, SourceUnreadable) as error:
            raise SourceUnreadable(f"{path}: {error}") from error
    return found


def _by_module(targets: Iterable[str]) -> dict[str, list[str]]:
    modules: dict[str, list[str]] = {}
    for target in targets:
        modules.setdefault(parse(target).module, []).append(target)
    return modules


def _known_without(target: str, version: Version | None, releases: Releases) -> bool:
    """Return whether this release was recorded without the target."""
    if version is None:
        return False
    same = [name for name in releases.releases() if Version(name) == Version(version.public)]
    return bool(same) and releases.record(target, same[0]) is None


def _difference(target: str, found: FunctionRecord | None, fits: FormRange) -> str | None:
    """Return how a function differs from those that a form fits, checks 3 and 4; None when it does not."""
    known = fits.known(target)
    if found is None:
        # A function of `depends`: its absence matters only if the releases that the form fits have it.
        return None if not known else f"{target}, which the replacement relies on, is gone"
    if not known:
        # The function exists, but there is no record to compare it with.
        return f"{target} was never recorded for {fits.form.releases}"
    signatures = sorted({record.signature for record in known})
    if found.signature not in signatures:
        return f"the signature of {target} changed: expected {' or '.join(signatures)}, found {found.signature}"
    prints = sorted({record.fingerprint for record in known})
    if found.fingerprint not in prints:
        return f"the code of {target} changed: expected {' or '.join(prints)}, found {found.fingerprint}"
    return None


def _with_code_of(ranges: Iterable[FormRange], status: str, target: str, found: FunctionRecord) -> FormRange | None:
    """Return the first form of this status that fits exactly this code; None when none does."""
    forms = (known for known in ranges if known.form.status == status)
    return next((form for form in forms if any(r.fingerprint == found.fingerprint for r in form.known(target))), None)


def _of_no_torch(
    ranges: tuple[FormRange, ...], release: str, version: Version | None, torch: Version | None
) -> Judgement:
    """Judge a release whose forms do not hold with this torch."""
    seen = " or ".join(known.form.torch for known in ranges if version is not None and known.covers(version))
    found = "no torch" if torch is None else f"torch {torch}"
    return Judgement("unknown", f"what {release} costs here is known with torch {seen}, and {found} is installed")


def _outside(
    binding: Binding, ranges: tuple[FormRange, ...], release: str, present: Mapping[str, FunctionRecord]
) -> Judgement:
    """Judge a release that no form covers, by whether its code is known from another one."""
    seen = " or ".join(known.form.releases for known in ranges if known.recorded) or "none"
    for status in ("upstreamed", *BOUND_BY_DEFAULT):
        same = [_with_code_of(ranges, status, target, present[target]) for target in present]
        first = same[0] if all(same) else None
        if first is not None:
            if status == "upstreamed" and not first.form.torch:
                # Replacing nothing is safe, even in a release that was never reviewed.
                return Judgement("upstreamed", f"not seen before, but its code is that of {first.form.releases}")
            # It would be bound, but the code around these functions may have changed: the user decides.
            why = f"{release} was not seen before (seen: {seen}); its code is that of {first.form.releases}"
            return Judgement("unknown", why, first.form)
    # New code: a user who overrides the refusal gets the newest form whose replacement can be called.
    fitting = (known.form for known in reversed(ranges) if _signatures_fit(known, binding, present))
    return Judgement("unknown", f"{release} was not seen before (seen: {seen}), and its code is new", next(fitting, None))


def _signatures_fit(fits: FormRange, binding: Binding, present: Mapping[str, FunctionRecord]) -> bool:
    """Return whether a form's replacements take the parameters that the targets have."""
    return all(
        present[target].signature in {record.signature for record in fits.known(target)} for target in binding.targets
    )
