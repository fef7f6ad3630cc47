"""What ``syncfree doctor --server`` prints."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def show(address: str, as_json: bool) -> None:
    """Ask a vLLM server for the plans of its workers and print them; ends with status 1 when they are not all there or differ.

    Raises:
        ServerError: the server cannot be asked.
    """
    from syncfree.adapters.vllm.server import plans

    processes = plans(address)
    problems = _problems(processes)
    if as_json:
        typer.echo(json.dumps({"server": address, "processes": processes, "problems": problems}, indent=2))
    else:
        console = Console()
        for process in processes:
            _print(process, console)
        for problem in problems:
            console.print(problem, style="bold red", markup=False, highlight=False)
    if problems:
        raise typer.Exit(1)


def _problems(processes: list[dict[str, Any]]) -> list[str]:
    problems = []
    ranks = {process["rank"]["index"] for process in processes if process["rank"]}
    size = max((process["rank"]["size"] for process in processes if process["rank"]), default=0)
    missing = sorted(set(range(size)) - ranks)
    if missing:
        problems.append(
            f"no answer of rank {', '.join(map(str, missing))} of {size}: another server has it, or it is in a long step"
        )
    manifests: dict[str, list[str]] = {}
    for process in processes:
        manifests.setdefault(process["manifest"], []).append(_who(process))
    if len(manifests) > 1:
        problems.append("the plans differ: " + "; ".join(f"{key} in {', '.join(who)}" for key, who in manifests.items()))
    return problems


def _who(process: dict[str, Any]) -> str:
    rank = process["rank"]
    place = f"rank {rank['index']} of {rank['size']}" if rank else "worker"
    return f"{place}, pid {process['pid']} on {process['host']}"


def _print(process: dict[str, Any], console: Console) -> None:
    title = f"{_who(process)}: manifest {process['manifest']}"
    table = Table(title=title, title_justify="left")
    for column in ("hook", "verdict", "state", "choice", "chosen by", "calls", "declines", "reason"):
        table.add_column(column, overflow="fold")
    for binding in process["bindings"]:
        used = [counts.get(binding["choice"], {}) for counts in binding["counts"].values()]
        calls, declines = (str(sum(count.get(what, 0) for count in used)) for what in ("calls", "declines"))
        row = [binding[name] for name in ("hook", "verdict", "state", "choice", "source")]
        table.add_row(*row, *((calls, declines) if used else ("", "")), binding["reason"])
    console.print(table)
    for broken in process["broken_plugins"]:
        console.print(f"note: left out: {broken}", markup=False, highlight=False)
