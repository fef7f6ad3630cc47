"""``syncfree audit``: run a Python command under audit, in all its processes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import get_args

import typer

from .._errors import nearest
from . import _printed, _run, dry_run
from ._backend import BackendName

_CANNOT_WRITE = 2
_OVER_BUDGET = 3
_NOT_ALL_AUDITED = 4


def audit_command(
    command: list[str] = typer.Argument(..., metavar="-- COMMAND...", help="The Python program and its arguments."),
    json_file: Path | None = typer.Option(None, "--json", metavar="FILE", help="Write every sync with its stack."),
    html_file: Path | None = typer.Option(
        None, "--html", metavar="FILE", help="Write a page with a flame graph and a timeline."
    ),
    budget: int | None = typer.Option(
        None,
        "--budget",
        min=0,
        help="Exit with status 3 when there are more hard syncs, and with 4 when a Python process was not audited.",
    ),
    values: bool = typer.Option(
        False, "--values", help="With --backend dry-run: compute on the CPU what kernels would, so that values are real."
    ),
    launches: bool = typer.Option(
        False, "--launches", help="With --backend dry-run: count kernel launches and copies by line, too."
    ),
    github: bool = typer.Option(
        False, "--github", help="Print each call site as an annotation of GitHub Actions, on standard output, too."
    ),
    backend: str = typer.Option("auto", help="auto, cuda, dry-run or simulated; auto is cuda where torch has a GPU, else simulated."),
) -> None:
    """Run COMMAND and print where it makes the host wait for the GPU, with or without one.

    All Python processes that it starts are audited; those that could not be are listed. The exit status is COMMAND's.
    """
    if backend not in get_args(BackendName):
        raise typer.BadParameter(f"{backend!r}{nearest(backend, get_args(BackendName))}", param_hint="--backend")
    for option, file in (("--json", json_file), ("--html", html_file)):
        if file is not None:
            _check_writable(option, file)
    if json_file is not None and html_file is not None and json_file.resolve() == html_file.resolve():
        raise typer.BadParameter(f"{html_file} is what --json writes", param_hint="--html")
    if values and backend != "dry-run":
        raise typer.BadParameter("only a dry run computes no values by itself; add --backend dry-run", param_hint="--values")
    if launches and backend != "dry-run":
        raise typer.BadParameter("only a dry run sees each launch; add --backend dry-run", param_hint="--launches")
    if backend == "dry-run":
        dry_run.prepare()  # here, and not in each process: an error ends the command before it has begun
    recording = _run.run(command, backend, values=values, launches=launches)
    _print(_printed.text(recording))
    if github:
        sys.stdout.write(_printed.github_annotations(recording))
    if json_file is not None:
        _write("--json", json_file, json.dumps(recording.as_dict(), indent=1))
    if html_file is not None:
        from ._html import page

        _write("--html", html_file, page(recording))
    if recording.exit_status:
        raise typer.Exit(recording.exit_status)
    if budget is not None and recording.hard > budget:
        _print(f"syncfree audit: {recording.hard} hard syncs, budget {budget}")
        raise typer.Exit(_OVER_BUDGET)
    if budget is not None and recording.unaudited:
        _print(
            f"syncfree audit: {len(recording.unaudited)} process(es) not audited, so budget {budget} is not proven"
        )
        raise typer.Exit(_NOT_ALL_AUDITED)


def _check_writable(option: str, file: Path) -> None:
    """Exit with status 2 if a file could not be written later; does not change the file."""
    try:
        if file.is_file() or file.is_dir():
            with file.open("ab"):
                pass
        elif not file.exists():
            with tempfile.TemporaryFile(dir=file.parent):
                pass
        elif not os.access(file, os.W_OK):  # a pipe: opening it would block until it has a reader
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        _refuse(option, file, error)


def _write(option: str, file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")  # arguments need not be UTF-8
    except OSError as error:
        _refuse(option, file, error)


def _refuse(option: str, file: Path, error: OSError) -> None:
    _print(f"syncfree audit: cannot write {option} {file}: {error.strerror}")
    raise typer.Exit(_CANNOT_WRITE) from error


def _print(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # a closed standard error is no reason not to write the files
            print(text, file=sys.stderr, flush=True)
