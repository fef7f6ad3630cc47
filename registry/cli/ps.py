"""``syncfree ps``: the processes of this user in which hooks are loaded, by job."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import typer

from ..control._client import Process
from ._output import print_json, print_line, print_table
from ._processes import asked, by_job, frameworks, who
from ._rates import HookRates, health, rates

COLUMNS = ("hook", "choice", "calls/s", "declines/s", "calls")


def ps_command(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    seconds: float = typer.Option(0.5, min=0.05, max=60.0, help="Seconds between the two looks that the rates come from."),
) -> None:
    """List the processes in which hooks are loaded, by job: choices, calls and declines per second, health.

    Only processes of the same user are listed. Exits with status 1 when one of them does not answer.
    """
    before, _ = asked()
    if before:
        time.sleep(seconds)
    processes, problems = asked()
    earlier = {process.entry: process.report for process in before if process.report is not None}
    jobs = by_job(processes)
    found = {
        job: [(process, rates_of(earlier.get(process.entry), process, seconds)) for process in of] for job, of in jobs.items()
    }
    if as_json:
        named = [{"job": job, "processes": [_record(*each) for each in of]} for job, of in found.items()]
        print_json({"jobs": named, "problems": problems})
    else:
        for job, of in found.items():
            print_table(COLUMNS, [row for each in of for row in rows(*each)], title(job, jobs[job]))
            for line in elsewhere(jobs[job]):
                print_line(line)
        if not found:
            print_line("no process of yours with syncfree can be reached: none runs, or SYNCFREE_CONTROL=off")
        for problem in problems:
            print_line(f"not looked into: {problem}", "red")
    if any(process.report is None for process in processes):
        raise typer.Exit(1)


def rates_of(before: dict[str, Any] | None, process: Process, seconds: float) -> list[HookRates]:
    """Return the rates of a process; empty when it does not answer."""
    return [] if process.report is None else rates(before or process.report, process.report, seconds)


def title(job: str, processes: list[Process]) -> str:
    """Return the heading of a job: its processes and their frameworks."""
    number = len(processes)
    reports = [process.report for process in processes if process.report is not None]
    named = "; ".join(filter(None, dict.fromkeys(map(frameworks, reports))))
    return f"job {job}: {number} process{'es' * (number > 1)}, {named or ('no framework' if reports else 'no answer')}"


def elsewhere(processes: list[Process]) -> list[str]:
    """Return the ranks of a job on other machines that a toggle here reaches, a line for each."""
    told = [rank for process in processes if process.report is not None for rank in process.report.get("elsewhere", ())]
    lines = [f"rank {rank['rank']}: pid {rank['pid']} on {rank['host']}, reached through the job's store" for rank in told]
    return list(dict.fromkeys(lines))


def rows(process: Process, of_hooks: list[HookRates]) -> list[tuple[str, ...]]:
    """Return the rows of a process: its name, one row per hook, and one with what is wrong with it."""
    shown = [(who(process), "", "", "", ""), *map(_row, of_hooks)]
    state = health(process)
    if state != "ok":
        shown.append((state, "", "", "", ""))
    elif not of_hooks:
        shown.append(("(nothing bound)", "", "", "", ""))
    return shown


def _row(hook: HookRates) -> tuple[str, ...]:
    if hook.state == "waiting":
        return hook.hook, hook.choice, "on import", "", ""
    return hook.hook, hook.choice, f"{hook.calls:.0f}", f"{hook.declines:.0f}", str(hook.total)


def _record(process: Process, of_hooks: list[HookRates]) -> dict[str, Any]:
    return {
        "pid": process.entry.pid,
        "health": health(process),
        "hooks": [asdict(hook) for hook in of_hooks],
        "report": process.report,
    }
