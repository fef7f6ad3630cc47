"""``syncfree record``: run a command, and keep real calls of a hook in files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from .._errors import SelectionError
from .._variables import RECORD, RECORD_TO
from ..hooks import HOOKS
from ..recording._settings import parse_calls
from ._hook_names import complete
from ._output import print_error, print_line


def record_command(
    hook: Annotated[str, typer.Argument(help="The hook.", autocompletion=complete)],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The program and its arguments.")],
    out: Annotated[Path, typer.Option(help="The folder for the calls; made if it does not exist.")],
    calls: Annotated[int, typer.Option(min=1, help="How many calls each process keeps, the first ones.")] = 100,
) -> None:
    """Run COMMAND, and keep the arguments of its first calls of HOOK, to replay them anywhere.

    Calls of the framework's own code have no such arguments: an implementation must be in use, see syncfree doctor. The exit
    status is COMMAND's, or 1 when it called nothing.
    """
    _, problems = parse_calls(f"{hook}={calls}", RECORD, HOOKS)
    if problems:
        raise SelectionError("; ".join(problem.removeprefix(f"{RECORD}: ") for problem in problems))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SelectionError(f"--out {out} cannot be made: {error.strerror}") from error
    before = set(out.glob("*.json"))
    variables = {RECORD: f"{hook}={calls}", RECORD_TO: str(out.resolve())}
    try:
        done = subprocess.run(command, env={**os.environ, **variables}, check=False)
    except OSError as error:
        raise SelectionError(f"{command[0]} cannot be started: {error.strerror}") from error
    kept = set(out.glob("*.json")) - before
    size = sum(file.stat().st_size + file.with_suffix(".safetensors").stat().st_size for file in kept)
    print_line(f"syncfree record: {len(kept)} calls of {hook} in {out} ({size / 1e6:.1f} MB)")
    if not kept:
        print_error(
            f"no implementation of {hook} was called: set SYNCFREE_{hook.upper()} to one of them, and see syncfree doctor for "
            "where it is bound"
        )
    if done.returncode or not kept:
        raise typer.Exit(done.returncode if done.returncode > 0 else 128 - done.returncode if done.returncode else 1)
