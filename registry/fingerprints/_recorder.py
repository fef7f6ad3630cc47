"""Record an adapter's functions in a release, and compare them with earlier records.

These are the functions that an adapter's bindings name, and those of ``watched.txt`` beside the adapter: one
``package.module:Class.function`` per line, recorded ahead of a binding, so that writing one needs no wheel to be read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .._errors import SyncfreeError
from .._frameworks import find_installed
from .._target import parse
from ..adapting import Adapter
from ._definitions import SourceUnreadable
from ._fingerprint import FunctionRecord, fingerprint
from ._releases import Releases, hash_of, load_releases
from ._releases import folder_of as _folder_of
from ._wheels import Sources, public

WATCHED = "watched.txt"


class WatchListError(SyncfreeError):
    """A line of ``watched.txt`` does not name a function."""

    page = "docs/fingerprints.md"


def folder_of(adapter: Adapter) -> Path:
    """Return the folder of an adapter's package, which contains its data files."""
    return _folder_of(adapter.home)


def targets_of(adapter: Adapter) -> tuple[str, ...]:
    """Return every function to record for an adapter, sorted.

    Raises:
        WatchListError: a line of its watch list is not ``package.module:Class.function`` of the adapter's package.
    """
    bound = {target for binding in adapter.bindings for target in (*binding.targets, *binding.depends)}
    return tuple(sorted(bound | set(_watched(adapter))))


def _watched(adapter: Adapter) -> list[str]:
    file = folder_of(adapter) / WATCHED
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        target = line.partition("#")[0].strip()
        if not target:
            continue
        parsed = parse(target)
        if parsed.module.split(".")[0] != adapter.package or not all(map(str.isidentifier, parsed.qualname.split("."))):
            raise WatchListError(f"{file}:{number}: {target!r} is not '{adapter.package}.module:Class.function'")
        found.append(target)
    return found


def observe(sources: Sources, targets: Iterable[str]) -> dict[str, FunctionRecord]:
    """Return the records of the functions that a release has; the others are left out.

    Raises:
        SourceUnreadable: this Python cannot parse a source file of that release.
    """
    wanted: dict[str, list[str]] = {}
    for target in targets:
        wanted.setdefault(parse(target).module, []).append(target)
    found = {}
    for module, text in sources.texts(wanted):
        for target in wanted[module]:
            try:
                record = fingerprint(text, parse(target).qualname)
            except SourceUnreadable as error:
                raise SourceUnreadable(f"{module} of {sources.distribution} {sources.release}: {error}") from error
            if record is not None:
                found[target] = record
    return found


def source_hashes(sources: Sources, modules: Iterable[str]) -> dict[str, str]:
    """Return the hashes of these modules' sources in a release; modules that it does not have are left out."""
    return {module: hash_of(text) for module, text in sources.texts(modules)}


def differences(recorded: Releases, sources: Sources, targets: Iterable[str]) -> list[str]:
    """Return how a release differs from its records, one sentence per function; empty when it does not."""
    name = f"{recorded.framework} {sources.release}"
    if sources.release not in recorded.names:
        command = f"syncfree fingerprint {recorded.framework} --release {sources.release}"
        return [f"{name} is not recorded; add it with `{command}`"]
    targets = tuple(targets)
    found = observe(sources, targets)
    problems = []
    for target in targets:
        if target not in recorded.seen:
            problems.append(f"{target} is not recorded; run `syncfree fingerprint {recorded.framework}`")
            continue
        before, now = _shown(recorded.record(target, sources.release)), _shown(found.get(target))
        if before != now:
            problems.append(f"{target} of {name}: recorded {before}, found {now}")
    return problems


def _shown(record: FunctionRecord | None) -> str:
    return "nothing" if record is None else f"{record.signature} {record.fingerprint}"


def check_installed(adapter: Adapter, recorded: Releases | None = None) -> list[str]:
    """Return how the installed framework differs from the records, by default its adapter's; empty when it does not."""
    installed = find_installed(adapter)
    if installed is None or installed.version is None:
        state = "is not installed" if installed is None else "is installed without metadata about its release"
        return [f"{adapter.framework} {state}: nothing to compare with"]
    sources = Sources(installed.distribution, public(installed.version), installed.location.parent)
    return differences(recorded or load_releases(adapter.home), sources, targets_of(adapter))
