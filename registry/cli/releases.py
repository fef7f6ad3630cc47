"""``syncfree releases``: the package index against what was recorded, and what a new release means for each binding."""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version

from .._errors import SelectionError
from .._runtime import RUNTIME
from ..adapting import Adapter
from ..fingerprints._drift import Kind
from ..fingerprints._recorder import folder_of
from ..fingerprints._releases import FILE_NAME, Releases, load_releases
from ..fingerprints._wheels import Index, Sources, open_wheel
from ._new_release import Finding, read
from ._output import print_json, print_line, print_paragraph
from .fingerprint import write

_KINDS: tuple[Kind, ...] = ("same", "changed", "moved", "moved and changed", "gone")
_CONTRACTS = Path("tests", "contract")


@dataclass(frozen=True, slots=True)
class _Release:
    """A release that was not recorded, and what it means."""

    adapter: Adapter
    known: str
    sources: Sources
    findings: list[Finding]

    @property
    def changed(self) -> list[Finding]:
        return [one for one in self.findings if one.kind != "same" or one.verdict != one.before]


def releases_command(
    framework: Annotated[list[str] | None, typer.Argument(help="Adapters' frameworks. Default: all.")] = None,
    wheel: Annotated[list[Path] | None, typer.Option(help="A release that no index has: a wheel file or an unpacked one.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Record what is new, and run its contract tests in a checkout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the package index with the releases that were recorded; say what each new one means for each binding.

    Exits with status 1 when a binding of a new release has other functions or another verdict than before.
    """
    adapters = [RUNTIME.adapters().get(name) for name in framework or [one.framework for one in RUNTIME.adapters()]]
    given = [open_wheel(path) for path in wheel or []]
    found = [release for adapter in adapters for release in _new(adapter, given)]
    strange = [sources for sources in given if not any(release.sources is sources for release in found)]
    if strange:
        names = ", ".join(f"{sources.distribution} {sources.release}" for sources in strange)
        raise SelectionError(f"syncfree: {names}: no adapter asked for is of that distribution, or the release is recorded")
    if as_json:
        print_json([_record(release) for release in found])
    for release in [] if as_json else found:
        _print(release)
    if not found and not as_json:
        print_line(f"nothing new: {', '.join(f'{one.framework} {load_releases(one.home).names[-1]}' for one in adapters)}")
    if update:
        _update(found)
    if any(release.changed for release in found):
        raise typer.Exit(1)


def _new(adapter: Adapter, given: list[Sources]) -> list[_Release]:
    """Read the releases of an adapter that are newer than the newest recorded one, or only the wheels given for it."""
    recorded, index = load_releases(adapter.home), Index(adapter.distributions)
    wheels = [sources for sources in given if sources.distribution in index.distributions]
    if given:
        new = [sources for sources in wheels if sources.release not in recorded.names]
    else:
        newest = Version(recorded.names[-1])
        new = [index.sources(name) for name in index.releases() if Version(name) > newest]
    return [_read(adapter, recorded, index, sources) for sources in new]


def _read(adapter: Adapter, recorded: Releases, index: Index, new: Sources) -> _Release:
    place = bisect_left(recorded.names, Version(new.release), key=Version)
    known = recorded.names[max(place - 1, 0)]
    return _Release(adapter, known, new, read(adapter, recorded, index.sources(known), new))


def _print(release: _Release) -> None:
    kinds = Counter(one.kind for one in release.findings)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in _KINDS if kinds[kind])
    name = f"{release.adapter.framework} {release.sources.release}"
    print_paragraph(f"{name} is new, compared with {release.known}: {counts} of {len(release.findings)} bindings", style="bold")
    for one in release.changed:
        verdict = one.verdict if one.verdict == one.before else f"{one.before} -> {one.verdict}"
        print_line(f"  {one.binding.hook}: {one.kind}; {verdict}", "yellow")
        print_paragraph(one.reason, 6)
        for history in one.histories:
            for event in history.events:
                print_line(f"      {history.target}: {event.kind}" + (f" to {event.target}" if "moved" in event.kind else ""))
                for line in event.diff.splitlines():
                    print_line(f"        {line}", "green" if line.startswith("+") else "red" if line.startswith("-") else "dim")


def _record(release: _Release) -> dict[str, object]:
    return {
        "framework": release.adapter.framework,
        "release": release.sources.release,
        "compared_with": release.known,
        "bindings": [
            {
                "hook": one.binding.hook,
                "targets": list(one.binding.targets),
                "kind": one.kind,
                "verdict_before": one.before,
                "verdict": one.verdict,
                "reason": one.reason,
                "functions": [
                    {"target": history.target, "kind": history.kind, "now": history.last and history.last.target,
                     "diff": "\n".join(event.diff for event in history.events if event.diff)}
                    for history in one.histories
                ],
            }
            for one in release.findings
        ],
    }  # fmt: skip


def _update(found: list[_Release]) -> None:
    """Record new releases; in a checkout, run the contract tests of the hooks that they concern."""
    for release in found:
        adapter = release.adapter
        write(adapter, folder_of(adapter) / FILE_NAME, Index(adapter.distributions), [release.sources], [])
    hooks = sorted({one.binding.hook for release in found for one in release.findings if one.verdict not in ("absent", "unknown")})
    tests = sorted({str(path) for hook in hooks for path in _CONTRACTS.glob(f"test_{hook}*.py")})
    if not tests:
        print_line("no contract tests here: run it in a checkout to test the new release")
        return
    done = subprocess.run([sys.executable, "-m", "pytest", "--quiet", "--sweep", *tests], check=False)
    print_line(f"contract tests of {', '.join(hooks)}: {'passed' if done.returncode == 0 else 'FAILED'}")
    if done.returncode:
        raise typer.Exit(1)
