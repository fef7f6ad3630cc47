"""The back end for a real GPU.

torch calls the trace callbacks exactly where ``set_sync_debug_mode`` would warn, and also for device and event
waits; on the waiting thread, before each wait. They miss ``non_blocking`` copies of pageable memory and waits of NVIDIA's Thrust. A
dispatch mode records those, and knows which operator is running when a callback is called.

The first audit switches the trace on until the process exits: torch has no way to switch it off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.cuda import _gpu_trace

from . import _autograd, _gpu_reports, _printing
from ._errors import AuditError
from ._events import Kind
from ._operators import OperatorWatch, running
from ._record import is_active, record
from ._transfers import is_dense, is_one_transfer, is_whole

_UNREPORTED = {"aten::unique_dim": 3, "aten::unique_dim_consecutive": 2}
"""Waits inside Thrust, which torch calls no callback for, as the dry run counts them."""


class _Watch(OperatorWatch):
    """Records what torch's callbacks do not see, too."""

    def begins(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if name in ("aten::copy_", "aten::_to_copy"):
            _record_staged(name, args, kwargs)
        elif name.startswith("aten::unique") and args[0].is_cuda:
            if name == "aten::unique_consecutive" and (args[3] if len(args) > 3 else kwargs.get("dim")) is not None:
                name = "aten::unique_dim_consecutive"
            for _ in range(_UNREPORTED.get(name, 0)):
                record(Kind.DATA_SHAPE, name, shape=tuple(args[0].shape))


def _record_staged(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Record a ``non_blocking`` copy that involves pageable memory."""
    if name == "aten::copy_":
        destination, source = args[0], args[1]
        if not (args[2] if len(args) > 2 else kwargs.get("non_blocking")) or destination.is_cuda == source.is_cuda:
            return
        on_host, on_device = (source, destination) if destination.is_cuda else (destination, source)
        is_direct = is_one_transfer(destination, source) or is_whole(on_host, on_device)
        if on_host.numel() and not (on_host.is_pinned() and is_direct):
            record(Kind.STAGED, name, hard=not destination.is_cuda, shape=tuple(source.shape))
        return
    source, device, dtype = args[0], kwargs.get("device"), kwargs.get("dtype")
    if not kwargs.get("non_blocking") or device is None or source.is_cuda or torch.device(device).type != "cuda":
        return
    # The new tensor has the source's strides where those are dense.
    is_direct = source.is_contiguous() or (dtype in (None, source.dtype) and is_dense(source))
    if source.numel() and not (source.is_pinned() and is_direct):
        record(Kind.STAGED, name, hard=False, shape=tuple(source.shape))


def _on_stream(stream: int) -> None:
    if is_active():
        record(running.kind, running.op or "cudaStreamSynchronize", shape=running.shape)


def _on_device() -> None:
    if is_active():
        record(Kind.WAIT, "torch.cuda.synchronize")


def _on_event(event: int) -> None:
    if is_active():
        record(Kind.WAIT, "torch.cuda.Event.synchronize")


class CudaBackend:
    """Trace callbacks of a real GPU."""

    name = "cuda"

    @property
    def basis(self) -> str:
        """Return what the counts rest on."""
        return (
            f"GPU, torch {torch.__version__}: shows every wait that PyTorch's own code asks for, not "
            "those of the driver, NCCL, Triton kernels and extensions"
        )

    def __init__(self) -> None:
        _gpu_reports.switch_on()
        callbacks: list[tuple[Callable[[Any], None], Any]] = [
            (_gpu_trace.register_callback_for_stream_synchronization, _on_stream),
            (_gpu_trace.register_callback_for_device_synchronization, _on_device),
            (_gpu_trace.register_callback_for_event_synchronization, _on_event),
        ]
        for register, callback in callbacks:
            register(callback)
        _autograd.connect()
        _printing.install()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch operators of this thread; autograd threads inherit the mode."""
        with _Watch():  # type: ignore[no-untyped-call]
            yield


_installed: CudaBackend | None = None


def backend() -> CudaBackend:
    """Return the back end of this process, installed on first use.

    Raises:
        AuditError: no GPU that torch can use.
    """
    global _installed
    if _installed is None:
        if not torch.cuda.is_available():
            raise AuditError(
                "torch sees no CUDA device here; leave the back end to be chosen, or use backend='simulated', which needs no GPU"
            )
        _installed = CudaBackend()
    return _installed
