"""``syncfree list``: hooks, implementations, and the distributions that provide them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from .._plugins import Implementation
from .._runtime import RUNTIME
from .._version import __version__
from ..hooks import HOOKS
from ._output import print_json, print_line, print_paragraph, print_table

_OURS = f"syncfree {__version__}"


def list_command(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Also show what implementations need, and who provides them."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the hooks and their implementations, and which of them is the default."""
    plugins = RUNTIME.plugins()
    rows = [(name, list(plugins.candidates(name))) for name in HOOKS]
    broken = [{"name": b.name, "distribution": b.distribution, "reason": b.reason} for b in plugins.broken]
    if as_json:
        found = {hook: [_record(implementation) for implementation in given] for hook, given in rows}
        print_json({"hooks": found, "broken_plugins": broken})
        return
    several = len({one.distribution for _, given in rows for one in given} - {_OURS})
    _print(rows, verbose or bool(several))
    print_line("")
    print_paragraph(
        "The default is used where the installed release stalls or repeats work. Choose another one with "
        "SYNCFREE_<HOOK>=<implementation>, or upstream for none."
    )
    print_line("syncfree doctor         what fits the installed frameworks")
    print_line("syncfree explain HOOK   what a hook does, and where the installed release waits")
    for left_out in plugins.broken:
        print_line(f"left out: {left_out}", "red")


def _print(rows: Iterable[tuple[str, Sequence[Implementation]]], verbose: bool) -> None:
    """Print a row per implementation, the first of a hook with the hook's name."""
    cells = []
    for hook, given in rows:
        default = RUNTIME.plugins().default(hook)
        for index, one in enumerate(given):
            cells.append(("" if index else hook, *_cells(one, one is default)[: 6 if verbose else 4]))
        if not given:
            cells.append((hook, "(only upstream)", *[""] * (5 if verbose else 3)))
    columns = ("hook", "implementation", "", "exact", "host syncs", "needs", "provided by")
    print_table(columns[: 7 if verbose else 5], cells)


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


def _cells(implementation: Implementation, is_default: bool) -> tuple[str, ...]:
    declared = implementation.declaration
    missing = implementation.missing()
    needs = ", ".join(f"{need} (missing)" if need in missing else need for need in declared.needs)
    note = "default" if is_default else "unmet needs" if missing else ""  # with --verbose the needs are beside it
    syncs = "?" if declared.host_syncs is None else str(declared.host_syncs)
    origin = implementation.distribution or "the program"
    return implementation.plugin, note, "yes" if declared.exact else "no", syncs, needs, origin
