"""``syncfree toggle``: switch hooks in every process of a running job, or in none."""

from __future__ import annotations

from dataclasses import asdict

import typer

from .._errors import SelectionError, unknown_hook
from .._text import clipped
from ..control._client import Process
from ..control._toggle import Outcome, toggle
from ..hooks import HOOKS
from ._hook_names import complete_choice
from ._output import print_json, print_line
from ._processes import asked, of_job

_SECONDS = 1.0
_SECONDS_OF_MACHINES = 10.0


def toggle_command(
    choices: list[str] = typer.Argument(  # noqa: B008
        None, metavar="HOOK=CHOICE...", help="A plugin's name, upstream or default.", autocompletion=complete_choice
    ),
    job: str | None = typer.Option(None, help="The job, as `syncfree ps` names it; not needed where there is one."),
    pid: int | None = typer.Option(None, help="One process alone."),
    reset: bool = typer.Option(False, "--reset", help="Take back every toggle: the choices that the job was started with."),
    timeout: float = typer.Option(
        None,
        min=0.05,
        max=600.0,
        help="Seconds until nothing is switched: 1, or 10 where ranks on other machines take part.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Switch hooks in every process of a job, or in none of them.

    Exits with status 1 when nothing was switched because a process refused or did not answer.
    """
    wanted = _parsed(choices or [], reset)
    processes = of_job(asked()[0], job, pid)
    seconds = timeout or (_SECONDS_OF_MACHINES if any(_reaches_others(process) for process in processes) else _SECONDS)
    outcome = toggle([process.entry for process in processes], wanted, seconds, whole_job=pid is None)
    if as_json:
        named = {"job": processes[0].job, "pids": [process.entry.pid for process in processes], "choices": wanted}
        print_json({**named, **asdict(outcome)})
    else:
        _print(outcome, wanted, len(processes), processes[0].job)
    if not outcome.switched:
        raise typer.Exit(1)


def _reaches_others(process: Process) -> bool:
    return process.report is not None and bool(process.report.get("elsewhere"))


def _parsed(choices: list[str], reset: bool) -> dict[str, str] | None:
    if reset:
        if choices:
            raise SelectionError("syncfree: --reset takes back every toggle; give either it or choices")
        return None
    if not choices:
        raise SelectionError("syncfree: nothing to switch: give HOOK=CHOICE, such as scheduler_step=upstream, or --reset")
    wanted: dict[str, str] = {}
    for choice in choices:
        hook, separator, name = choice.partition("=")
        if not separator or not name:
            raise SelectionError(f"syncfree: {clipped(choice)!r} is not of the form HOOK=CHOICE")
        if hook not in HOOKS:
            raise SelectionError(f"syncfree: {unknown_hook(hook, HOOKS)}")
        if wanted.setdefault(hook, name) != name:
            raise SelectionError(f"syncfree: {hook} is given twice, with different choices")
    return wanted


def _print(outcome: Outcome, wanted: dict[str, str] | None, number: int, job: str) -> None:
    what = (
        "the choices it was started with" if wanted is None else ", ".join(f"{hook}={name}" for hook, name in wanted.items())
    )
    others = f" and {len(outcome.elsewhere)} on other machines" if outcome.elsewhere else ""
    where = f"job {job}, {number} process{'es' * (number > 1)}{others}"
    for problem in outcome.problems:
        print_line(problem, "red")
    if outcome.switched:
        together = "" if outcome.call is None else f", all ranks before call {outcome.call}"
        print_line(f"{where}: {what}, in {1000 * outcome.seconds:.0f} ms{together}")
    else:
        print_line(f"{where}: nothing was switched", "bold red")
    for note in outcome.notes:
        print_line(f"note: {note}")
