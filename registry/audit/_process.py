"""The audit of one process under ``syncfree audit``: every sync of every thread goes to a file of that process.

Lines of JSON, written as they come: a process that is killed, or that ends by ``os._exit`` as ``multiprocessing`` children
do, leaves what it had. Each file begins with a line about the process; a stack is written once and then referred to.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from . import _record
from ._record import Frame, Sync

DIRECTORY = "SYNC_AUDIT_DIRECTORY"
BACKEND = "SYNC_AUDIT_BACKEND"


def begin() -> None:
    """Audit this process until it ends, as the environment says; called right after torch was imported.

    An audit that cannot be done ends the process with its sentence.
    """
    from . import _backend, simulated
    from ._errors import AuditError

    name = os.environ[BACKEND]
    try:
        import torch

        if name == "auto" and not torch.cuda.is_available() and not simulated.is_installed():
            name = "simulated"
        backend = _backend.select(name)
    except AuditError as error:
        sys.exit(f"syncfree audit: {error}")
    _record.open_everywhere(EventFile(Path(os.environ[DIRECTORY]), backend.name, torch.__version__))
    # Entered for good. On a GPU it names the operators of this thread; other threads' waits are recorded without names.
    backend.watching().__enter__()


class EventFile:
    """A sink that writes; a forked child writes to a file of its own."""

    def __init__(self, directory: Path, backend: str, torch_version: str) -> None:
        self._directory = directory
        self._about = {"backend": backend, "torch": torch_version, "python": sys.version.split()[0]}
        self._lock = threading.Lock()
        self._pid = -1
        self._file: IO[str]
        self._stacks: dict[tuple[Frame, ...], int] = {}

    def add(self, sync: Sync) -> None:
        with self._lock:
            self._open()
            stack = self._stacks.get(sync.stack)
            if stack is None:
                stack = self._stacks[sync.stack] = len(self._stacks)
                self._write(stack=[[frame.file, frame.line, frame.function] for frame in sync.stack])
            self._write(
                sync=[sync.kind.value, sync.op, sync.hard, sync.shape, stack, sync.thread, sync.seconds, sync.step, sync.phase,
                      sync.allowed]
            )  # fmt: skip

    def begin_step(self, phase: str) -> None:
        with self._lock:
            self._open()
            self._write(phase=phase, seconds=time.perf_counter())

    def _open(self) -> None:
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._stacks = {}
        self._file = (self._directory / f"{self._pid}.jsonl").open("a", buffering=1)
        self._write(pid=self._pid, argv=sys.argv, seconds=time.perf_counter(), clock=time.time(), **self._about)

    def _write(self, **line: Any) -> None:
        self._file.write(json.dumps(line) + "\n")
