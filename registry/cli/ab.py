"""``syncfree ab``: measure one implementation against another, on recorded calls, in a program, or in a job that runs already."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from .._errors import SelectionError, nearest, unknown_hook
from .._runtime import RUNTIME
from ..hooks import HOOKS
from ..measuring._comparison import Comparison
from ..measuring._design import Design
from ._hook_names import complete
from ._output import RoundsBar, print_line
from ._processes import asked, of_job

FIGURES = ("host", "cpu", "device", "step", "process")
_BLOCK_MS, _BLOCK_MS_IN_A_JOB = 50.0, 1000.0


def ab_command(
    hook: Annotated[str, typer.Argument(help="The hook.", autocompletion=complete)],
    a: Annotated[str, typer.Argument(help="What to compare with.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="A program to measure in.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Measure the calls recorded in this folder, in place of a program.")] = None,
    job: Annotated[str | None, typer.Option(help="Measure in this running job, as `syncfree ps` names it.")] = None,
    load: Annotated[str | None, typer.Option(metavar="COMMAND", help="With --job: a shell command that puts load on it.")] = None,
    load_per_block: Annotated[bool, typer.Option(help="Run the load once in each block, as benchmarks that end by themselves.")] = False,
    load_time: Annotated[list[str] | None, typer.Option(metavar="NAME=REGEX", help="A time that the load prints.")] = None,
    load_rate: Annotated[list[str] | None, typer.Option(metavar="NAME=REGEX", help="A rate that the load prints.")] = None,
    settle_ms: Annotated[float, typer.Option(min=0, help="With --job: time after each switch that is not measured.")] = 200.0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every block, for syncfree report.")] = None,
    budget: Annotated[float, typer.Option(min=1, help="Seconds, at most.")] = 120.0,
    rounds: Annotated[int, typer.Option(min=8, help="Rounds of A against B, at most; a round is ABBA or BAAB.")] = 200,
    equal_rounds: Annotated[int, typer.Option(min=0, help="Rounds of A against A, made first.")] = 10,
    block_ms: Annotated[float | None, typer.Option(min=0.1, help="How long a block lasts; 50, in a job 1000.")] = None,
    precision: Annotated[float, typer.Option(min=0.01, help="Stop when the interval is this narrow, in percent.")] = 2.0,
    smallest: Annotated[float, typer.Option(min=0, help="Call smaller differences none, in percent.")] = 1.0,
    figure: Annotated[str, typer.Option(help="Decides about the stop: host, cpu, device, step, process, or one of the load.")] = "host",
    device: Annotated[str | None, typer.Option(help="Where recorded GPU tensors go; default: a GPU if there is one.")] = None,
) -> None:
    """Measure B against A in alternating blocks, and say whether B is faster.

    A and B are plugins; in a program or a job also upstream, with --replay also reference or module:function. Exits with status 1 when
    the figures are not to be trusted: A differs from itself, the machine drifts, or results differ.
    """
    if hook not in HOOKS:
        raise SelectionError(f"syncfree: {unknown_hook(hook, HOOKS)}")
    if figure not in FIGURES and load is None:
        raise SelectionError(f"--figure: unknown figure {figure!r}{nearest(figure, FIGURES)}")
    if [bool(command), bool(replay), job is not None].count(True) != 1:
        raise SelectionError("give one of --replay DIR, --job JOB and -- COMMAND: the calls to measure come from there")
    if job is None and (load is not None or load_per_block or load_time or load_rate):
        raise SelectionError("--load and its options need --job: it puts load on a job that runs already")
    if load is None and (load_per_block or load_time or load_rate):
        raise SelectionError("--load-per-block, --load-time and --load-rate need --load COMMAND")
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise SelectionError(f"--json {json_file}: there is no folder {json_file.parent}")
    if json_file is not None and json_file.is_dir():
        raise SelectionError(f"--json {json_file} is a folder; give a file in it")
    design = Design(
        block_seconds=(block_ms or (_BLOCK_MS if job is None else _BLOCK_MS_IN_A_JOB)) / 1e3,
        equal_rounds=equal_rounds,
        most_rounds=rounds,
        budget_seconds=budget,
        precision=precision / 100,
        smallest=smallest / 100,
        figure=figure,
    )
    with RoundsBar(equal_rounds, rounds) as progress:
        if replay is not None:
            from ..measuring._of_replay import compare_replayed

            found = compare_replayed(HOOKS[hook], a, b, replay, device, design, RUNTIME.plugins(), progress)
        elif job is not None:
            from ..measuring._load import Load, parse_pattern
            from ..measuring._of_job import compare_in_job

            patterns = [parse_pattern(text, "time", "--load-time") for text in load_time or ()]
            patterns += [parse_pattern(text, "rate", "--load-rate") for text in load_rate or ()]
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the job's choice is taken back, as on Ctrl-C
            processes = of_job(asked()[0], job, None)
            putting = None if load is None else Load(load, patterns, load_per_block)
            found = compare_in_job(HOOKS[hook], a, b, processes, design, settle_ms / 1e3, putting, progress)
        else:
            from ..measuring._of_command import compare_in_command

            found = compare_in_command(HOOKS[hook], a, b, command or [], design, RUNTIME.plugins(), progress)
    _print(found)
    if json_file is not None:
        _write(json_file, found)  # after the verdict, which took minutes and must not be lost with the file
    if found.differences or any(part.doubts() for part in found.parts):
        raise typer.Exit(1)


def _write(file: Path, found: Comparison) -> None:
    try:
        file.write_text(json.dumps(found.as_dict(), indent=1) + "\n")
    except OSError as error:
        raise SelectionError(f"--json {file} cannot be written: {error.strerror}") from error


def _print(found: Comparison) -> None:
    for verdict in found.verdicts():
        print_line(verdict)
    for part in found.parts:
        print_line(f"{part.name}: {len(part.equal)} rounds of A against A, {len(part.rounds)} of A against B; {part.stopped}")
        for doubt in part.doubts():
            print_line(f"not to be trusted: {doubt}", "bold red")
    for difference in found.differences[:10]:
        print_line(f"results differ: {difference}", "bold red")
    for note in found.source.get("notes", ()):
        print_line(f"note: {note}")
    print_line(_LIMITS_OF_A_JOB if found.source["kind"] == "job" else _LIMITS, "dim")


_LIMITS = (
    "This is the time of these calls on this machine. It does not show the throughput of a server, other inputs, or other hardware."
)
_LIMITS_OF_A_JOB = "These are the times of this job under this load on this machine. They do not show other loads or other hardware."
