"""``syncfree fingerprint``: record the functions that adapters bind, from the wheels of real releases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .._errors import SelectionError, nearest
from .._runtime import RUNTIME
from .._target import parse
from ..adapting import Adapter
from ..fingerprints._recorder import check_installed, differences, folder_of, observe, source_hashes, targets_of
from ..fingerprints._releases import FILE_NAME, ReleaseDataError, Releases, read_releases, write_releases
from ..fingerprints._wheels import Index, Sources, open_wheel, public
from ._output import print_error, print_line


def fingerprint_command(
    framework: Annotated[str, typer.Argument(help="An adapter's framework: vllm, sglang, sglang-srt or diffusers.")],
    release: Annotated[list[str] | None, typer.Option(help="A release to read from the package index; repeatable.")] = None,
    within: Annotated[str | None, typer.Option("--from", help="Read every release in a range: '>=0.18.0'.")] = None,
    distribution: Annotated[list[str] | None, typer.Option(help="Where to read, preferred first; repeatable.")] = None,
    wheel: Annotated[list[Path] | None, typer.Option(help="A wheel file or an unpacked one; repeatable.")] = None,
    output: Annotated[Path | None, typer.Option(help="The file. Default: releases.json of the adapter.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 1 when the file is stale.")] = False,
) -> None:
    """Record functions of a framework's releases, read from real wheels through pip; nothing is imported.

    Releases that the file has are read again only for functions that it lacks. --check compares it with the given releases
    and wheels, or else with what is installed.
    """
    adapter = RUNTIME.adapters().get(framework)
    index = Index(_distributions(adapter, distribution or []))
    path = output or folder_of(adapter) / FILE_NAME
    asked = [*_releases(release or []), *_range(index, within)]
    wheels = [_wheel(adapter, file) for file in wheel or []]
    if check:
        _check(adapter, path, [*wheels, *map(index.sources, asked)])
    else:
        write(adapter, path, index, wheels, asked)


def _check(adapter: Adapter, path: Path, given: list[Sources]) -> None:
    recorded = read_releases(path)
    targets = targets_of(adapter)
    if given:
        problems = [problem for sources in given for problem in differences(recorded, sources, targets)]
    else:
        problems = check_installed(adapter, recorded)
    for problem in problems:
        print_line(problem)
    if problems:
        raise typer.Exit(1)
    print_line(f"{path} is up to date")


def write(adapter: Adapter, path: Path, index: Index, wheels: list[Sources], asked: list[str]) -> None:
    """Record an adapter's functions in the releases asked for and in the wheels, besides those that the file has.

    Raises:
        SelectionError: nothing is to be recorded, a source cannot be read, or the file cannot be written.
    """
    given = {sources.release: sources for sources in wheels}
    recorded = _recorded(adapter, path, overwrite=bool(given or asked))
    targets = targets_of(adapter)
    names = sorted({*recorded.names, *asked, *given}, key=Version)
    if not names:
        raise SelectionError(f"{path} has no release yet: name some with --release, --from or --wheel")
    seen = {target: dict(recorded.seen.get(target, {})) for target in targets}
    modules = sorted({parse(target).module for target in targets})
    files = {module: dict(recorded.files.get(module, {})) for module in modules}
    for name in names:
        # A given wheel is always read; a release is not fetched again.
        complete = name in recorded.names and name not in given
        missing = [target for target in targets if not (complete and target in recorded.seen)]
        unhashed = [module for module in modules if not (complete and module in recorded.files)]
        if not missing and not unhashed:
            continue
        sources = given.get(name) or index.sources(name)
        for module, hashed in source_hashes(sources, unhashed).items():
            files[module] = {known: of for known, of in files[module].items() if of != name}
            files[module].setdefault(hashed, name)
        found = observe(sources, missing)
        for target in missing:
            seen[target].pop(name, None)
            if target in found:
                seen[target][name] = found[target]
        print_line(f"{sources.distribution} {name}: {len(found)} of {len(missing)} functions")
    for target in targets:
        if not seen[target]:
            print_error(f"in no release: {target}")
    try:
        write_releases(path, Releases(adapter.framework, tuple(names), seen, files))
    except OSError as error:
        raise SelectionError(f"{path} cannot be written: {error.strerror}; give another --output") from error
    print_line(f"{path}: {len(names)} releases, {len(targets)} functions")


def _recorded(adapter: Adapter, path: Path, *, overwrite: bool) -> Releases:
    empty = Releases(adapter.framework, (), {})
    if not path.exists():
        return empty
    try:
        recorded = read_releases(path)
    except ReleaseDataError as error:
        if not overwrite:
            raise
        print_error(f"{error}; it is overwritten, with the releases given now")
        return empty
    if recorded.framework != adapter.framework:
        raise SelectionError(f"{path} is of {recorded.framework}, not of {adapter.framework}; give another --output")
    return recorded


def _releases(names: list[str]) -> list[str]:
    try:
        return [public(name) for name in names]
    except InvalidVersion as error:
        raise SelectionError(f"--release: {error}; a release is written like 0.32.0") from error


def _range(index: Index, within: str | None) -> list[str]:
    if within is None:
        return []
    try:
        specifier = SpecifierSet(within)
    except InvalidSpecifier as error:
        raise SelectionError(f"--from: {error}; a range is written like '>=0.18.0,<0.33'") from error
    known = index.releases()
    found = [name for name in known if specifier.contains(name)]
    if not found:
        newest = known[-1] if known else "none"
        raise SelectionError(f"--from: no release of {' or '.join(index.distributions)} is {within}; the newest is {newest}")
    return found


def _distributions(adapter: Adapter, names: list[str]) -> list[str]:
    known = {canonicalize_name(name): name for name in adapter.distributions}
    for name in names:
        if canonicalize_name(name) not in known:
            unknown = f"--distribution: {adapter.framework} is not distributed as {name!r}"
            raise SelectionError(unknown + nearest(name, adapter.distributions))
    return names or list(adapter.distributions)


def _wheel(adapter: Adapter, file: Path) -> Sources:
    sources = open_wheel(file)
    _distributions(adapter, [sources.distribution])
    return sources
