"""The audit's back end on the dry-run device: PyTorch's own CUDA code decides what waits, and the stub libraries see it.

A stream, event or device synchronization and a blocking copy are waits of the host. An asynchronous copy of pageable memory is
staged by the driver: from the device it waits, to the device it does not wait for the queue. Where PyTorch waits right after
such a copy, in the same operator, that wait is what is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .. import _autograd, _printing
from .._events import Kind
from .._operators import OperatorWatch, running
from .._record import is_active, note, record
from . import _counting
from ._load import is_zeroed
from ._printed import contents

_NAMES = {
    _counting.STREAM: "cudaStreamSynchronize",
    _counting.EVENT: "torch.cuda.Event.synchronize",
    _counting.DEVICE: "torch.cuda.synchronize",
    _counting.COPY: "cudaMemcpy",
}


_ACTIVITIES = {
    _counting.COPY: "blocking copy",
    _counting.TO_DEVICE: "copy to the device",
    _counting.TO_HOST: "copy to the host",
    _counting.PINNED: "copy of pinned memory",
    _counting.ON_DEVICE: "copy on the device",
    _counting.LAUNCH: "kernel launch",
    _counting.DRIVER_LAUNCH: "kernel launch",
    _counting.GRAPH_LAUNCH: "graph launch",
}
_WAITS = (*_NAMES, _counting.TO_DEVICE, _counting.TO_HOST)
_API = {_counting.LAUNCH: "cudaLaunchKernel", _counting.DRIVER_LAUNCH: "cuLaunchKernel", _counting.GRAPH_LAUNCH: "cudaGraphLaunch"}
_counts_activities = False


class _Staged(threading.local):
    """The asynchronous copy of pageable memory that this thread has made and not waited for; 0 for none."""

    event: int = 0


_staged = _Staged()


def _on_event(event: int, bytes_: int) -> None:
    if not is_active():
        return
    if _counts_activities and event in _ACTIVITIES:
        note(_ACTIVITIES[event], running.op or _API.get(event, "cudaMemcpy"), bytes_)
    if event not in _WAITS:
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

    @property
    def basis(self) -> str:
        """Return what the counts rest on."""
        return (
            f"dry run, torch {torch.__version__}: shows every wait, copy and launch that compiled code asks NVIDIA's libraries for, "
            "not what waits inside them; kernels compute nothing" + (", values come from the CPU's" if is_zeroed() else "")
        )

    def __init__(self) -> None:
        _counting.watch(_on_event, _WAITS)
        _autograd.connect()
        _printing.install(lambda tensor: None if is_zeroed() else contents(tensor))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch operators of this thread; autograd threads inherit the mode."""
        with _Watch():  # type: ignore[no-untyped-call]
            yield
        flush()


def count_activities() -> None:
    """Count kernel launches and copies by line, too, in every audit of this process from now on.

    Raises:
        AuditError: this process does not run on the dry-run device.
    """
    global _counts_activities
    if not _counts_activities:
        backend()
        _counting.watch(_on_event, tuple({*_WAITS, *_ACTIVITIES}))
        _counts_activities = True


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
