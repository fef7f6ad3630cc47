"""The output of ``syncfree doctor --server``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import typer

from .._errors import SelectionError
from .._runtime import RUNTIME
from ._output import print_json, print_line, print_table

_SHOWN = 8


def show(address: str, as_json: bool, verbose: bool) -> None:
    """Get the plans of a vLLM server's workers and print them.

    Exits with status 1 when plans are missing or differ, or when nothing is loaded in a worker.

    Raises:
        SyncfreeError: the server cannot be reached or does not support it.
    """
    processes = _plans(address)
    problems = _problems(processes)
    if as_json:
        print_json({"server": address, "processes": processes, "problems": problems})
    else:
        for process in processes:
            _print(process, verbose)
        for problem in problems:
            print_line(problem, "bold red")
    if problems:
        raise typer.Exit(1)


def _plans(address: str) -> list[dict[str, Any]]:
    for adapter in RUNTIME.adapters():
        if adapter.server_plans is not None:
            return adapter.server_plans(address)
    why = "; ".join(RUNTIME.adapters().broken) or "no installed adapter can"
    raise SelectionError(f"syncfree: cannot get the plans of {address}: {why}")


def _problems(processes: list[dict[str, Any]]) -> list[str]:
    problems = [*_silent([process["rank"] for process in processes if process["rank"]])]
    problems += [f"{_who(process)}: nothing is loaded there" for process in processes if not process["bindings"]]
    manifests: dict[str, list[str]] = {}
    for process in processes:
        manifests.setdefault(process["manifest"], []).append(_who(process))
    if len(manifests) > 1:
        problems.append("the plans differ: " + "; ".join(f"{key} in {', '.join(who)}" for key, who in manifests.items()))
    return problems


def _silent(ranks: list[dict[str, int]]) -> Iterator[str]:
    """Yield a message about the ranks that did not answer, out of the largest job size that a rank reported."""
    answered = {rank["index"] for rank in ranks}
    size = max((rank["size"] for rank in ranks), default=0)
    if number := size - len(answered):
        named = ", ".join(map(str, islice((index for index in range(size) if index not in answered), _SHOWN)))
        more = f" and {number - _SHOWN} more" if number > _SHOWN else ""
        yield f"no answer of rank {named}{more} of {size}: another server has it, or it is in a long step"


def _who(process: dict[str, Any]) -> str:
    rank = process["rank"]
    state = f"rank {rank['index']} of {rank['size']}" if rank else "worker"
    return f"{state}, pid {process['pid']} on {process['host']}"


def _print(process: dict[str, Any], verbose: bool) -> None:
    columns = ("hook", "state", "choice", "calls", "declines")
    more = ("verdict", "chosen by", "reason") if verbose else ()
    title = f"{_who(process)}: manifest {process['manifest']}"
    print_table((*columns, *more), [_cells(binding, verbose) for binding in process["bindings"]], title)
    for broken in process["broken_plugins"]:
        print_line(f"note: left out: {broken}")


def _cells(binding: dict[str, Any], verbose: bool) -> tuple[str, ...]:
    used = [counts.get(binding["choice"], {}) for counts in binding["counts"].values()]
    counts = (str(sum(count.get(what, 0) for count in used)) if used else "" for what in ("calls", "declines"))
    more = ("verdict", "source", "reason") if verbose else ()
    return (binding["hook"], binding["state"], binding["choice"], *counts, *(binding[name] for name in more))
