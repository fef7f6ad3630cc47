"""The operator that runs in a thread, so that a wait seen from below can be said to be its."""

from __future__ import annotations

import threading
from typing import Any

import torch

from . import _skipped
from ._events import Kind
from ._printing import KeptWhilePrinting

_DATA_SHAPE = {
    "aten::nonzero", "aten::masked_select", "aten::_unique", "aten::_unique2", "aten::unique_dim",
    "aten::unique_consecutive", "aten::unique_dim_consecutive", "aten::bincount", "aten::equal", "aten::histc",
    "aten::repeat_interleave", "aten::index", "aten::_index_put_impl_", "aten::index_put_",
}  # fmt: skip


class _Running(threading.local):
    op: str = ""
    kind: Kind = Kind.WAIT
    shape: tuple[int, ...] | None = None


running = _Running()
"""The operator that runs in this thread, for whoever sees a wait there."""


class OperatorWatch(KeptWhilePrinting):
    """Keeps `running` up to date."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        outer = running.op, running.kind, running.shape
        running.op, running.shape = name, _shape(args)
        running.kind = _kind(name, args, kwargs)
        _skipped.note(name, args)
        self.begins(name, args, kwargs)
        try:
            return func(*args, **kwargs)
        finally:
            self.ended()
            running.op, running.kind, running.shape = outer

    def begins(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Called before each operator."""

    def ended(self) -> None:
        """Called after each operator, while it is still the running one."""


def _shape(args: tuple[Any, ...]) -> tuple[int, ...] | None:
    if not args or not isinstance(args[0], torch.Tensor) or (args[0].is_nested and type(args[0]) is torch.Tensor):
        return None  # a nested tensor of torch's own class has no shape, and raises when it is asked for one
    return tuple(args[0].shape)


def _kind(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Kind:
    if name == "aten::_local_scalar_dense":
        return Kind.ITEM
    if name in _DATA_SHAPE:
        host_index = name not in ("aten::index", "aten::_index_put_impl_", "aten::index_put_") or _has_mask(args)
        return Kind.DATA_SHAPE if host_index else Kind.H2D
    if name == "aten::copy_":
        return Kind.H2D if args[0].is_cuda else Kind.D2H
    if name == "aten::_to_copy":
        return Kind.D2H if args[0].is_cuda else Kind.H2D
    return Kind.WAIT


def _has_mask(args: tuple[Any, ...]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
