"""The audit of one process under ``syncfree audit``: every sync of every thread goes to a log of that process.

Lines of JSON, written at once, so that they survive a process that is killed or ends by ``os._exit``, as children of
``multiprocessing`` do. Each log begins with a line about the process; a stack is written once and then referred to.
"""

from __future__ import annotations

import errno
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ, getpid
from time import perf_counter, time, time_ns
from typing import Any

from . import _backend, _notes, _record, dry_run
from ._errors import AuditError
from ._events import Activity, Frame, Sync
from ._log import Log

DIRECTORY = "SYNC_AUDIT_DIRECTORY"
BACKEND = "SYNC_AUDIT_BACKEND"
VALUES = "SYNC_AUDIT_VALUES"
LAUNCHES = "SYNC_AUDIT_LAUNCHES"
_MARKER = "syncfree_audit_begin"
# Bound at import, like the imported functions: programs monkey-patch json.dumps and time.time.
_encode = json.JSONEncoder(default=str).encode


def begin(directory: str, backend: str, image: str) -> None:
    """Audit this process until it ends; called right after torch was imported.

    An audit that cannot run ends the process with the reason. A process that cannot make a log goes on without an audit, and
    is listed in the report.
    """
    try:
        recorder = Recorder(directory, image)
    except OSError as error:
        _notes.leave(directory, _notes.REFUSED, image, f"it could not make a log: {error.strerror}")
        return
    try:
        _begin(backend, recorder)
    except Exception as error:  # noqa: BLE001 - nothing can be computed on a half-installed device
        sentence = str(error) if isinstance(error, AuditError) else f"{type(error).__name__}: {error}"
        _notes.leave(directory, _notes.REFUSED, image, sentence)
        sys.exit(f"syncfree audit: {sentence}")


def before_torch(directory: str, image: str) -> None:
    """Put the dry-run device into this process; called right before torch is executed. Ends the process where that fails."""
    try:
        dry_run.install(values=bool(environ.get(VALUES)))
    except AuditError as error:
        _notes.leave(directory, _notes.REFUSED, image, str(error))
        sys.exit(f"syncfree audit: {error}")


def _begin(name: str, recorder: Recorder) -> None:
    import torch

    from . import _autograd

    with _autograd_let_go():
        backend = _backend.select(name)
    recorder.begin(backend.name, torch.__version__, backend.basis)
    _record.open_everywhere(recorder)
    # Never exited: it names the operators of this thread; other threads' waits are recorded without names.
    watching = backend.watching()
    watching.__enter__()
    if environ.get(LAUNCHES):
        from .dry_run import count_activities

        count_activities()
    if environ.get(VALUES):
        from .dry_run import Values

        values = Values(recorder.unreal)
        values.__enter__()  # type: ignore[no-untyped-call]
    # A generator without references is closed, which would exit the context; at the end of the process, when torch is half gone.
    _autograd.keep(watching)


@contextmanager
def _autograd_let_go() -> Iterator[None]:
    """Wait at the end until autograd's threads have released the objects that ``backward()`` in this block gave them.

    They release them after ``backward()`` has returned, and need the interpreter for it. If the program exits at that
    moment, they end it with SIGABRT.
    """
    from . import _autograd

    released = threading.Event()
    marker = _Marker(released)
    _autograd.stash(_MARKER, marker)  # torch keeps it as long as the work of a backward()
    del marker
    try:
        yield
    finally:
        _autograd.drop(_MARKER)  # releasing it at the thread's end would need the interpreter, too
        released.wait(10)


class _Marker:
    def __init__(self, released: threading.Event) -> None:
        self._released = released

    def __del__(self) -> None:
        self._released.set()


class Recorder:
    """A sink that writes to a log; a forked child writes to its own.

    Raises:
        OSError: the log cannot be made.
    """

    def __init__(self, directory: str, image: str) -> None:
        self._directory = directory
        self._image = image
        self._about: dict[str, str] = {}
        self._stacks: dict[tuple[Frame, ...], int] = {}
        self._activities: dict[Activity, int] = {}
        self._numbers = itertools.count()
        self._pid = getpid()
        self._log = self._new_log()

    def begin(self, backend: str, torch_version: str, basis: str) -> None:
        """Write the line about this process."""
        self._about = {"backend": backend, "torch": torch_version, "basis": basis, "python": sys.version.split()[0]}
        self._write_about()

    def add(self, sync: Sync) -> None:
        if not self._is_ours():
            return
        stack = self._stacks.get(sync.stack)
        if stack is None:
            # Written before it is stored for look-up: a concurrent thread writes it a second time, under another number.
            stack = next(self._numbers)
            self._write(stack=[stack, [[frame.file, frame.line, frame.function] for frame in sync.stack]])
            self._stacks[sync.stack] = stack
        self._write(
            sync=[sync.kind.value, sync.op, sync.hard, sync.shape, stack, sync.thread, sync.seconds, sync.step, sync.phase,
                  sync.allowed]
        )  # fmt: skip

    def note(self, activity: Activity, bytes_: int) -> None:
        if not self._is_ours():
            return
        number = self._activities.get(activity)
        if number is None:
            number = next(self._numbers)
            where = [activity.where.file, activity.where.line, activity.where.function]
            self._write(activity=[number, activity.what, activity.op, where, activity.phase])
            self._activities[activity] = number
        self._write(n=number, b=bytes_)

    def unreal(self, what: str) -> None:
        """Write that an operator of a dry run could not be computed."""
        if self._is_ours():
            self._write(unreal=what)

    def begin_step(self, phase: str) -> None:
        if self._is_ours():
            self._write(phase=phase, seconds=perf_counter())

    def _is_ours(self) -> bool:
        """Return whether the log is this process's; a forked child, which has its parent's, makes its own first."""
        if self._pid == getpid():
            return True
        try:
            log = self._new_log()
        except OSError as error:
            self._log.flag(error.errno or errno.EIO)  # the parent's, whose memory is shared
            return False
        self._stacks, self._activities, self._log, self._pid = {}, {}, log, getpid()
        self._write_about()
        return True

    def _new_log(self) -> Log:
        return Log(self._directory, f"{self._image}.{getpid()}.{time_ns()}")

    def _write_about(self) -> None:
        argv = getattr(sys, "argv", [])
        self._write(pid=self._pid, argv=argv, seconds=perf_counter(), clock=time(), **self._about)

    def _write(self, **line: Any) -> None:
        self._log.write(_encode(line).encode() + b"\n")
