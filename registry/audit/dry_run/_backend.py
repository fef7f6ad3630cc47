"""The audit's back end on the dry-run device: PyTorch's own CUDA code decides what waits, and the stub libraries see it.

A stream, event or device synchronization and a blocking copy are waits of the host. An asynchronous copy of pageable memory is
staged by the driver: from the device it waits, to the device it does not wait for the queue. Where PyTorch waits right after
such a copy, in the same operator, that wait is what is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .. import _autograd
from .._operators import OperatorWatch, running
from .._record import Kind, is_active, record
from . import _counting

_NAMES = {
    _counting.STREAM: "cudaStreamSynchronize",
    _counting.EVENT: "torch.cuda.Event.synchronize",
    _counting.DEVICE: "torch.cuda.synchronize",
    _counting.COPY: "cudaMemcpy",
}


class _Staged(threading.local):
    """The asynchronous copy of pageable memory that this thread has made and not waited for; 0 for none."""

    event: int = 0


_staged = _Staged()


def _on_event(event: int, bytes_: int) -> None:
    if not is_active():
        return
    if event in (_counting.TO_DEVICE, _counting.TO_HOST):
        flush()
        _staged.event = event
        return
    if event == _counting.STREAM:
        copy, _staged.event = _staged.event, 0  # the copy's own wait
        kind = running.kind
        if kind is Kind.WAIT and copy:
            kind = Kind.H2D if copy == _counting.TO_DEVICE else Kind.D2H
        record(kind, running.op or _NAMES[event], shape=running.shape)
        return
    flush()
    record(Kind.WAIT, _NAMES[event])


def flush() -> None:
    """Record the copy that nothing waited for in its operator."""
    event, _staged.event = _staged.event, 0
    if event:
        record(Kind.STAGED, running.op or "cudaMemcpyAsync", hard=event == _counting.TO_HOST, shape=running.shape)


class _Watch(OperatorWatch):
    def ended(self) -> None:
        if _staged.event:
            flush()


class DryRunBackend:
    """The stub libraries' reports."""

    name = "dry-run"

    def __init__(self) -> None:
        events = (*_NAMES, _counting.TO_DEVICE, _counting.TO_HOST)
        _counting.watch(_on_event, events)
        _autograd.connect()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch operators of this thread; autograd threads inherit the mode."""
        with _Watch():  # type: ignore[no-untyped-call]
            yield
        flush()


_installed: DryRunBackend | None = None


def backend() -> DryRunBackend:
    """Return the back end of this process, installed on first use.

    Raises:
        AuditError: this process does not run on the dry-run device.
    """
    global _installed
    if _installed is None:
        _installed = DryRunBackend()
    return _installed
