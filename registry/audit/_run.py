"""Run a command under audit and read the logs and notes of its processes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import _accounting, _launch, _log, _notes, _process, _recording
from ._accounting import Unaudited
from ._errors import AuditError
from ._recording import Recording

_INJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_inject")


def run(command: list[str], backend: str = "auto", *, values: bool = False, launches: bool = False) -> Recording:
    """Run a command under audit.

    Raises:
        AuditError: the command cannot be started, or its processes could not be recorded.
    """
    program = [sys.executable, *command[1:]] if command[0] == "python" else command
    with _launch.holding_signals() as held, _directory() as directory:
        status, watch = _launch.run(program, _environment(directory, backend, values, launches), held)
        notes = list(_notes.read(directory))
        processes = _recording.read(directory)
    begun = {process.image for process in processes}
    missed = _accounting.unaudited(watch.programs, watch.living(), notes, begun, _INJECT)
    missed += [
        Unaudited(process.pid, process.argv, f"some of its syncs could not be logged: {os.strerror(process.error)}")
        for process in processes
        if process.error
    ]
    return Recording(command, status if status >= 0 else 128 - status, processes, missed, launches)


def _environment(directory: Path, backend: str, values: bool, launches: bool) -> dict[str, str]:
    path = os.pathsep.join([_INJECT, *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {name: "1" for name, wanted in ((_process.VALUES, values), (_process.LAUNCHES, launches)) if wanted}
    return os.environ | own | {_process.DIRECTORY: str(directory), _process.BACKEND: backend, "PYTHONPATH": path}


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a folder for logs and notes, removed at the end."""
    try:
        directory = tempfile.mkdtemp(prefix="sync-audit-")
    except OSError as error:
        raise AuditError(f"no folder for the logs of the audit: {error}; set TMPDIR to one") from error
    try:
        _try_out(directory)
        yield Path(directory)
    finally:
        for _ in range(10):  # a process that outlives the command may write into it meanwhile
            shutil.rmtree(directory, ignore_errors=True)
            if not os.path.exists(directory):
                break


def _try_out(directory: str) -> None:
    link = os.path.join(directory, "trial")
    try:
        _log.Log(directory, "trial")
        os.symlink("trial", link)
    except OSError as error:
        raise AuditError(
            f"{directory} cannot hold the logs of the audit: {error.strerror}; set TMPDIR to a folder that can"
        ) from error
    for path in Path(directory).iterdir():
        path.unlink()
