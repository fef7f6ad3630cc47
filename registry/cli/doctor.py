"""``syncfree doctor``: what is installed, and what syncfree would do with it, and why."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .._place import Place
from .._plan import Entry
from .._runtime import RUNTIME
from .._select import UPSTREAM, is_off
from .._version import __version__
from ._server import show

_STYLES = {"needed": "green", "upstreamed": "cyan", "absent": "dim", "unknown": "red"}


def doctor_command(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    server: str | None = typer.Option(
        None, help="Show the plans in the workers of the vLLM server at this address instead, with their counters."
    ),
) -> None:
    """Say what is installed, and for each binding its verdict, the choice, and the reason. Imports no framework.

    Exits with status 1 when an explicit choice cannot be met; of a server, when its workers differ or do not all answer.
    """
    if server is not None:
        show(server, as_json)
        return
    enabled = not is_off(os.environ) and RUNTIME.selection().enabled
    places = RUNTIME.survey()
    problems = RUNTIME.problems(places) if enabled else []
    rows = [_Row.of(place, enabled) for place in places]
    left_out = [*map(str, RUNTIME.plugins().broken), *RUNTIME.adapters().broken]
    notes = [*_notes(), *(f"left out: {what}" for what in left_out)]
    if as_json:
        bindings = [{**asdict(row.entry), "would_use": row.would_use} for row in rows]
        found = {"syncfree": __version__, "python": platform.python_version(), "enabled": enabled}
        typer.echo(json.dumps({**found, "bindings": bindings, "notes": notes, "problems": problems}, indent=2))
    else:
        _print(rows, notes, problems, enabled)
    if problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Row:
    """One binding, and what would be used there once its module is imported."""

    entry: Entry
    would_use: str

    @classmethod
    def of(cls, place: Place, enabled: bool) -> _Row:
        choice, implementation = RUNTIME.choice(place)
        used = implementation.plugin if implementation is not None and enabled else UPSTREAM
        return cls(place.entry(choice, implementation), used)


def _print(rows: list[_Row], notes: list[str], problems: list[str], enabled: bool) -> None:
    console = Console()
    switched = "" if enabled else ": switched off"
    console.print(f"syncfree {__version__}, Python {platform.python_version()}{switched}", highlight=False)
    for framework in dict.fromkeys(row.entry.framework for row in rows):
        mine = [row for row in rows if row.entry.framework == framework]
        if all(row.entry.reason.endswith("is not installed") for row in mine):
            console.print(f"\n{framework}: not installed", style="dim")
            continue
        table = Table(title=f"{framework} {mine[0].entry.version or '(unknown version)'}", title_justify="left")
        for column in ("hook", "target", "verdict", "would use", "chosen by", "reason"):
            table.add_column(column, overflow="fold")
        for row in mine:
            entry = row.entry
            targets = "\n".join(target.split(":")[1] for target in entry.targets)
            verdict = f"[{_STYLES[entry.verdict]}]{entry.verdict}[/]"
            table.add_row(entry.hook, targets, verdict, row.would_use, entry.source, escape(entry.reason))
        console.print()
        console.print(table)
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    for problem in problems:
        console.print(f"cannot be met: {problem}", style="bold red", markup=False, highlight=False)


def _notes() -> list[str]:
    if importlib.util.find_spec("_syncfree_site") is None:
        return [
            (
                "syncfree.pth is missing (an editable install does not get it): diffusers and SGLang before 0.5.21 load "
                "nothing by themselves here. Install the wheel, or import syncfree.auto first"
            )
        ]
    if "_syncfree_site" not in sys.modules:
        return ["syncfree.pth is installed but did not run in this process (python -S or -I?)"]
    return []
