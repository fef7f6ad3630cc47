"""``syncfree audit``: run a Python command under audit, in all its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

from .._text import printable
from . import _process, _recording
from ._backend import BackendName
from ._errors import AuditError
from ._recording import Recording

_OVER_BUDGET = 3
_INJECT = Path(__file__).with_name("_inject")


def audit_command(
    command: list[str] = typer.Argument(..., metavar="-- COMMAND...", help="The Python program and its arguments."),
    json_file: Path | None = typer.Option(None, "--json", metavar="FILE", help="Write every sync with its stack."),
    html_file: Path | None = typer.Option(
        None, "--html", metavar="FILE", help="Write a page with a flame graph and a timeline."
    ),
    budget: int | None = typer.Option(None, "--budget", min=0, help="Exit with status 3 when there are more hard syncs."),
    backend: str = typer.Option("auto", help="auto, cuda, or simulated; auto is cuda where torch has a GPU."),
) -> None:
    """Run COMMAND and print where it makes the host wait for the GPU, with or without one.

    All Python processes that it starts are audited, except those started with -I, -E or -S. The exit status is COMMAND's.
    """
    if backend not in ("auto", "cuda", "simulated"):
        raise typer.BadParameter(f"{backend!r}; there are auto, cuda and simulated", param_hint="--backend")
    recording = run(command, backend)
    if json_file is not None:
        json_file.write_text(json.dumps(recording.as_dict(), indent=1))
    if html_file is not None:
        from ._html import page

        html_file.write_text(page(recording))
    typer.echo(text(recording), err=True)
    if recording.exit_status:
        raise typer.Exit(recording.exit_status)
    if budget is not None and recording.hard > budget:
        typer.echo(f"syncfree audit: {recording.hard} hard syncs, budget {budget}", err=True)
        raise typer.Exit(_OVER_BUDGET)


def run(command: list[str], backend: BackendName | str = "auto") -> Recording:
    """Run a command under audit.

    Raises:
        AuditError: the command cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="sync-audit-") as directory:
        environment = os.environ | {_process.DIRECTORY: directory, _process.BACKEND: backend}
        path = [str(_INJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        program = [sys.executable, *command[1:]] if command[0] == "python" else command
        try:
            status = subprocess.run(program, env=environment, check=False).returncode
        except OSError as error:
            raise AuditError(f"cannot run {command[0]!r}: {error.strerror}; give the command after --") from error
        return Recording(command, status if status >= 0 else 128 - status, _recording.read(Path(directory)))


def text(recording: Recording) -> str:
    """The printed report."""
    if not recording.processes:
        return "syncfree audit: no process of the command used torch and made the host wait"
    lines = [f"syncfree audit: {recording.hard} hard syncs in {len(recording.processes)} process(es)"]
    for process in recording.processes:
        hard = sum(sync.hard and sync.allowed is None for sync in process.syncs)
        lines.append(
            f"  process {process.pid}: {hard} hard, {process.backend}, torch {process.torch}, {' '.join(process.argv)}"
        )
    lines += [str(site) for site in recording.sites()]
    for phase in recording.phases():
        name = phase.name or "(unnamed)"
        lines.append(
            f"  phase {name}: {phase.steps} steps, {phase.hard} hard ({phase.hard_per_step:.1f} per step), {phase.soft} soft"
        )
    reasons: dict[str, int] = {}
    for sync in recording.syncs(allowed=True):
        assert sync.allowed is not None
        reasons[sync.allowed] = reasons.get(sync.allowed, 0) + 1
    lines += [f"  {number} x allowed: {reason}" for reason, number in reasons.items()]
    return "\n".join(printable(line) for entry in lines for line in entry.split("\n"))
