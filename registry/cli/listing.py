"""``syncfree list``: hooks, implementations, and the distributions that provide them."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from .._plugins import Implementation
from .._runtime import RUNTIME
from ..hooks import HOOKS
from ._output import Cell, print_json, print_line, print_table


def list_command(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the hooks, their implementations, and the distributions that provide them."""
    plugins = RUNTIME.plugins()
    rows = [(hook, plugins.candidates(name)) for name, hook in HOOKS.items()]
    broken = [{"name": b.name, "distribution": b.distribution, "reason": b.reason} for b in plugins.broken]
    if as_json:
        found = {hook.name: [_record(implementation) for implementation in given] for hook, given in rows}
        print_json({"hooks": found, "broken_plugins": broken})
        return
    columns = ("hook", "implementation", "exact", "host syncs", "needs", "provided by")
    print_table("Hooks and their implementations", columns, [row for hook, given in rows for row in _rows(hook.name, given)])
    print_line("A hook's default is the first of its implementations that is exact and misses nothing that it needs.")
    print_line("Choose with SYNCFREE_<HOOK>=<implementation> or upstream; syncfree doctor shows what fits this installation.")
    for left_out in plugins.broken:
        print_line(f"left out: {left_out}", "red")


def _rows(hook: str, given: Iterable[Implementation]) -> list[tuple[Cell, ...]]:
    """Return a hook's rows: one per implementation, the first with the hook's name."""
    cells = [_cells(implementation) for implementation in given] or [("(only upstream)", "", "", "", "")]
    return [("" if index else hook, *row) for index, row in enumerate(cells)]


def _record(implementation: Implementation) -> dict[str, object]:
    declared = implementation.declaration
    return {
        "plugin": implementation.plugin,
        "distribution": implementation.distribution,
        "exact": declared.exact,
        "host_syncs": declared.host_syncs,
        "lockstep": implementation.lockstep,
        "needs": list(declared.needs),
        "missing": list(implementation.missing()),
        "preference": declared.preference,
    }


def _cells(implementation: Implementation) -> tuple[str, ...]:
    declared = implementation.declaration
    missing = implementation.missing()
    needs = ", ".join(f"{need} (missing)" if need in missing else need for need in declared.needs)
    syncs = "?" if declared.host_syncs is None else str(declared.host_syncs)
    origin = implementation.distribution or "the program"
    return implementation.plugin, "yes" if declared.exact else "no", syncs, needs, origin
