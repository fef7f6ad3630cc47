"""The audit of one process under ``syncfree audit``: every sync of every thread goes to a log of that process.

Lines are written at once, so that they survive a process that is killed or ends by ``os._exit``, as children of
``multiprocessing`` do.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ

from . import _backend, _notes, _record, dry_run
from ._errors import AuditError
from ._recorder import Recorder

DIRECTORY = "SYNC_AUDIT_DIRECTORY"
BACKEND = "SYNC_AUDIT_BACKEND"
VALUES = "SYNC_AUDIT_VALUES"
LAUNCHES = "SYNC_AUDIT_LAUNCHES"
_MARKER = "syncfree_audit_begin"


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
