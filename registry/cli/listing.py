"""``syncfree list``: hooks, implementations, and who provides them."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table

from .._plugins import Implementation
from .._runtime import RUNTIME
from ..hooks import HOOKS


def list_command(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the hooks, their implementations, and who provides them."""
    plugins = RUNTIME.plugins()
    rows = [(hook, plugins.candidates(name)) for name, hook in HOOKS.items()]
    broken = [{"name": b.name, "distribution": b.distribution, "reason": b.reason} for b in plugins.broken]
    if as_json:
        found = {hook.name: [_record(implementation) for implementation in given] for hook, given in rows}
        typer.echo(json.dumps({"hooks": found, "broken_plugins": broken}, indent=2))
        return
    table = Table(title="Hooks and their implementations", title_justify="left")
    for column in ("hook", "implementation", "exact", "host syncs", "needs", "provided by"):
        table.add_column(column)
    for hook, given in rows:
        for index, implementation in enumerate(given):
            table.add_row(hook.name if index == 0 else "", *_cells(implementation))
        if not given:
            table.add_row(hook.name, "(only upstream)", "", "", "", "")
    console = Console()
    console.print(table)
    console.print(
        "Choose with SYNCFREE_<HOOK>=<implementation> or upstream; syncfree doctor says what fits what is installed."
    )
    for left_out in plugins.broken:
        console.print(f"left out: {left_out}", style="red", markup=False)


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
    }


def _cells(implementation: Implementation) -> tuple[str, ...]:
    declared = implementation.declaration
    missing = implementation.missing()
    needs = ", ".join(f"{need} (missing)" if need in missing else need for need in declared.needs)
    syncs = "?" if declared.host_syncs is None else str(declared.host_syncs)
    origin = implementation.distribution or "the program"
    return implementation.plugin, "yes" if declared.exact else "no", syncs, needs, origin
