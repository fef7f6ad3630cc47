"""``syncfree doctor``: what is installed, what syncfree would do with it, and why."""

from __future__ import annotations

import importlib.util
import platform
import sys
from dataclasses import asdict, dataclass

import typer

from .._binding_state import BindingState
from .._plan import Entry
from .._runtime import RUNTIME
from .._select import UPSTREAM
from .._target import parse
from .._version import __version__
from ._output import Cell, Styled, print_json, print_line, print_table
from ._server import show

_STYLES = {"stalls": "green", "repeats work": "green", "upstreamed": "cyan", "absent": "dim", "unknown": "red"}


def doctor_command(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    server: str | None = typer.Option(
        None, help="Show the plans in the workers of the vLLM server at this address instead, with their counters."
    ),
) -> None:
    """Show what is installed, and for each binding its verdict, the choice, and the reason. Imports no framework.

    Exits with status 1 when an explicit choice cannot be met; for a server, when its workers differ or do not all answer.
    """
    if server is not None:
        show(server, as_json)
        return
    enabled = RUNTIME.enabled
    states = RUNTIME.survey()
    problems = RUNTIME.problems(states) if enabled else []
    rows = [_Row.of(state, enabled) for state in states]
    left_out = [*map(str, RUNTIME.plugins().broken), *RUNTIME.adapters().broken]
    ignored = [f"ignored while syncfree is switched off: {what}" for what in RUNTIME.selection().ignored]
    notes = [*_notes(), *ignored, *(f"left out: {what}" for what in left_out)]
    if as_json:
        bindings = [{**asdict(row.entry), "would_use": row.would_use} for row in rows]
        found = {"syncfree": __version__, "python": platform.python_version(), "enabled": enabled}
        print_json({**found, "bindings": bindings, "notes": notes, "problems": problems})
    else:
        _print(rows, notes, problems, enabled)
    if problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Row:
    """One binding, and the implementation that it would use once its module is imported."""

    entry: Entry
    would_use: str

    @classmethod
    def of(cls, state: BindingState, enabled: bool) -> _Row:
        choice, implementation = RUNTIME.choice(state)
        used = implementation.plugin if implementation is not None and enabled else UPSTREAM
        return cls(state.entry(choice, implementation), used)


def _print(rows: list[_Row], notes: list[str], problems: list[str], enabled: bool) -> None:
    switched = "" if enabled else ": switched off"
    print_line(f"syncfree {__version__}, Python {platform.python_version()}{switched}")
    for framework in dict.fromkeys(row.entry.framework for row in rows):
        print_line("")
        of_framework = [row for row in rows if row.entry.framework == framework]
        if all(row.entry.reason.endswith("is not installed") for row in of_framework):
            print_line(f"{framework}: not installed", "dim")
            continue
        columns = ("hook", "target", "verdict", "would use", "chosen by", "reason")
        version = of_framework[0].entry.version or "(unknown version)"
        print_table(f"{framework} {version}", columns, map(_cells, of_framework))
    for note in notes:
        print_line(f"note: {note}")
    for problem in problems:
        print_line(f"cannot be met: {problem}", "bold red")


def _cells(row: _Row) -> tuple[Cell, ...]:
    entry = row.entry
    targets = [parse(target).qualname for target in entry.targets]
    verdict = Styled(entry.verdict, _STYLES[entry.verdict])
    return entry.hook, targets, verdict, row.would_use, entry.source, entry.reason


def _notes() -> list[str]:
    if importlib.util.find_spec("_syncfree_site") is None:
        return [
            (
                "syncfree.pth is missing (an editable install does not get it): nothing is loaded automatically for diffusers "
                "and SGLang before 0.5.21. Install the wheel, or import syncfree.auto first"
            )
        ]
    if "_syncfree_site" not in sys.modules:
        return ["syncfree.pth is installed but did not run in this process (python -S or -I?)"]
    return []
