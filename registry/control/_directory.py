"""The run directory: a folder of the user's own, mode 0700, with one socket for each process that can be reached.

It is the directory that ``SYNCFREE_CONTROL`` names, or else the first of these that can be used:
``$XDG_RUNTIME_DIR/syncfree``, ``/run/user/UID/syncfree``, ``/tmp/syncfree-UID``. A command looks into all of them, because a
server may have been started with other variables than the shell.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .._errors import SyncfreeError
from .._sockets import LONGEST_ADDRESS
from .._variables import control_directory

_NAME = re.compile(r"(?P<job>[\w.-]{1,40})@(?P<pid>\d{1,10})-[0-9a-f]{8}\.sock", re.ASCII)
_UNFIT = re.compile(r"[^\w.-]", re.ASCII)


class RunDirectoryError(SyncfreeError):
    """A run directory cannot be used: it is missing, or others could write into it."""

    page = "docs/control.md"


@dataclass(frozen=True, slots=True)
class Entry:
    """The socket of a process.

    Attributes:
        directory: the run directory.
        name: of the file.
        job: of the process, as it is in the file's name.
        pid: as the process sees it, which differs from ours in another PID namespace.
    """

    directory: Path
    name: str
    job: str
    pid: int


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """Return the run directories in the order in which they are tried; they may be missing."""
    if chosen := control_directory(environ):
        return [Path(chosen)]
    user, named = os.geteuid(), environ.get("XDG_RUNTIME_DIR", "")
    found = [Path(named, "syncfree")] if os.path.isabs(named) else []
    return list(dict.fromkeys([*found, Path(f"/run/user/{user}/syncfree"), Path(f"/tmp/syncfree-{user}")]))


def usable(environ: Mapping[str, str]) -> Path:
    """Return the first run directory that is this user's alone; make it where it is missing.

    Raises:
        RunDirectoryError: none can be used; the message says why for each.
    """
    problems = []
    for path in candidates(environ):
        with suppress(OSError):
            os.mkdir(path, 0o700)
            os.chmod(path, 0o700)  # whatever the umask left of it
        try:
            check(path)
        except RunDirectoryError as error:
            problems.append(str(error))
        else:
            return path
    raise RunDirectoryError("; ".join(problems))


def check(path: Path) -> None:
    """Raise `RunDirectoryError` unless a directory exists, is this user's, and is closed to everybody else."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise RunDirectoryError(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise RunDirectoryError(f"{path} is no directory")
    if status.st_uid != os.geteuid():
        raise RunDirectoryError(f"{path} belongs to user {status.st_uid}, not to user {os.geteuid()}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        # A folder with the sticky bit, such as /tmp, is meant for everybody: closing it would harm other programs.
        mend = f"name a folder of your own, such as {path}/syncfree" if mode & stat.S_ISVTX else f"chmod 700 {path}"
        raise RunDirectoryError(f"{path} has mode {mode:04o}, so that others could use it: {mend}")


def new_name(job: str) -> str:
    """Return the name of a socket for this process."""
    return f"{_UNFIT.sub('_', job)[:40] or '_'}@{os.getpid()}-{os.urandom(4).hex()}.sock"


def entries(path: Path) -> list[Entry]:
    """Return the sockets in a run directory, by pid; empty where it is missing.

    Raises:
        RunDirectoryError: it exists and must not be trusted.
    """
    if not os.path.lexists(path):
        return []
    check(path)
    found = [entry for name in os.listdir(path) if (entry := entry_of(path, name))]
    return sorted(found, key=lambda entry: entry.pid)


def entry_of(directory: Path, name: str) -> Entry | None:
    """Return the socket of this name; None if it is no name of a process's socket."""
    match = _NAME.fullmatch(name)
    return None if match is None else Entry(directory, name, match["job"], int(match["pid"]))


@contextmanager
def address(directory: Path, name: str) -> Iterator[str]:
    """Return a path of a socket that is short enough, through the directory's descriptor where the plain one is too long."""
    plain = os.path.join(directory, name)
    if len(os.fsencode(plain)) <= LONGEST_ADDRESS:
        yield plain
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
