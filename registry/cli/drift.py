"""``syncfree drift``: what became of functions that somebody patches, over the releases of their package."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version

from .._errors import SelectionError
from ..fingerprints._drift import History, trace
from ..fingerprints._targets_file import Watched, read_targets
from ..fingerprints._wheels import Index, Sources, open_wheel
from ._output import print_json, print_line, print_paragraph

_ORDER = ("not found", "gone", "moved and changed", "moved", "changed", "same")
_STYLES = {"not found": "red", "gone": "red", "moved and changed": "red", "moved": "red", "changed": "yellow", "same": "green"}


def drift_command(
    targets: Annotated[Path, typer.Argument(metavar="TARGETS.toml", help="The functions to follow; see docs/drift.md.")],
    wheel: Annotated[list[Path] | None, typer.Option(help="A further release: a wheel file or an unpacked one.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print what changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, diffs included.")] = False,
) -> None:
    """Follow any functions of a package over its releases: changed, moved, gone, since when. Imports nothing of them.

    Exits with status 1 when a function changed, moved or went after the release that the file calls reviewed.
    """
    watched = read_targets(targets)
    given = [open_wheel(path) for path in wheel or []]
    results = [(one, *_follow(one, given)) for one in watched]
    if as_json:
        print_json({one.name: {"releases": names, "targets": [_record(h) for h in found]} for one, names, found in results})
    else:
        for one, names, found in results:
            _print(one, names, found, diff)
    if any(history.kind != "same" for _, _, found in results for history in found):
        raise typer.Exit(1)


def _follow(watched: Watched, given: list[Sources]) -> tuple[list[str], list[History]]:
    """Return the releases that were read, and the histories of what happened after the reviewed one."""
    index = Index(watched.distributions)
    wheels = {sources.release: sources for sources in given if sources.distribution in index.distributions}
    listed = index.releases() if not wheels or watched.releases or watched.reviewed else []
    names = sorted({*(name for name in listed if watched.releases.contains(name)), *wheels}, key=Version)
    if not names:
        raise SelectionError(f"syncfree: no release of {' or '.join(watched.distributions)} is {watched.releases or 'listed'}")
    if watched.reviewed is not None and watched.reviewed not in names:
        raise SelectionError(f"syncfree: [{watched.name}] reviewed is {watched.reviewed}, which is none of {', '.join(names)}")
    found = trace(watched.targets, (wheels.get(name) or index.sources(name) for name in names))
    return names, [history.since(watched.reviewed, names) for history in found]


def _record(history: History) -> dict[str, object]:
    events = [
        {"release": event.release, "kind": event.kind, "target": event.target, "diff": event.diff} for event in history.events
    ]
    return {"target": history.target, "kind": history.kind, "now": history.last and history.last.target, "events": events}


def _print(watched: Watched, names: list[str], histories: list[History], diff: bool) -> None:
    kinds = [history.kind for history in histories]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in _ORDER if kind in kinds)
    after = f" after {watched.reviewed}, which was reviewed" if watched.reviewed else ""
    print_paragraph(f"{watched.name} {names[0]} to {names[-1]} ({len(names)} releases): {counts}{after}", style="bold")
    for history in sorted(histories, key=lambda history: _ORDER.index(history.kind)):
        print_line(f"  {history.kind}: {history.target}", _STYLES[history.kind])
        if history.kind == "not found":
            print_line("      in none of these releases")
        for line in _lines(history, names[0], diff):
            print_line(f"      {line}", {"+": "green", "-": "red"}.get(line[:1], ""))
    if not diff and any(event.diff for history in histories for event in history.events):
        print_line("syncfree drift --diff shows what changed")


def _lines(history: History, first: str, diff: bool) -> Iterator[str]:
    """Yield what happened, oldest first; without diffs, successive changes in one line."""
    events = [event for event in history.events if (event.kind, event.release) != ("first seen", first)]
    for kind, alike in groupby(events, key=lambda event: (event.kind, event.target, event.release if diff else "")):
        found = list(alike)
        where = f" to {kind[1]}" if "moved" in kind[0] else ""
        yield f"{kind[0]} in {', '.join(event.release for event in found)}{where}"
        if diff:
            yield from found[0].diff.splitlines()
