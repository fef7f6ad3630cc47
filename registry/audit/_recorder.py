"""The log of a process under ``syncfree audit``: lines of JSON.

Each log begins with a line about the process; a stack is written once and then referred to; of launches and copies each line of
code has one line, with the number of them.
"""

from __future__ import annotations

import errno
import itertools
import json
import sys
from os import getpid
from time import perf_counter, time, time_ns
from typing import Any

from ._events import Activity, Frame, Sync
from ._log import Log, Tally

# Bound at import, like the imported functions: programs monkey-patch json.dumps and time.time.
_encode = json.JSONEncoder(default=str).encode


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
        self._activities: dict[tuple[Activity, int], Tally] = {}
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
        tally = self._activities.get((activity, bytes_))
        if tally is None:
            where = [activity.where.file, activity.where.line, activity.where.function]
            # Its number makes the line one that no other is equal to, where two threads write it.
            said = [next(self._numbers), activity.what, activity.op, where, activity.phase, bytes_]
            line = b'{"activity": %b, "count": %b}\n' % (_encode(said).encode(), Tally.COUNT)
            # Stored before it counts: a signal handler that interrupts here uses it.
            tally = self._activities.setdefault((activity, bytes_), Tally(self._log, line))
        tally.count()

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
