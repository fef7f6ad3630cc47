"""Pinned host memory: a mark on the storage object, and the factories that set it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from . import _forge

_MARK = "_simulated_cuda_pinned"


def is_pinned(tensor: torch.Tensor, device: Any = None) -> bool:
    """Run ``aten::is_pinned``."""
    return getattr(tensor.untyped_storage(), _MARK, False)


def pin_memory(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
    """Run ``aten::_pin_memory``: return a pinned copy."""
    return mark(tensor.clone())


def mark(tensor: torch.Tensor) -> torch.Tensor:
    """Mark the memory of a CPU tensor as pinned."""
    setattr(tensor.untyped_storage(), _MARK, True)
    return tensor


def factory(op: Any) -> Callable[..., torch.Tensor]:
    """Return the BackendSelect kernel of ``aten::empty.memory_format`` or ``aten::empty_strided``, for every device."""
    key_sets: dict[str, Any] = {}
    cpu = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)

    def empty(*args: Any, device: torch.device | None = None, pin_memory: bool | None = None, **kwargs: Any) -> Any:
        if device is None or device.type == "cpu":
            tensor = op.redispatch(cpu, *args, **kwargs)
            return mark(tensor) if pin_memory else tensor
        if device.type == "cuda":
            return _forge.device(op.redispatch(cpu, *args, **kwargs))
        keys = key_sets.get(device.type)
        if keys is None:
            name = torch._C._dispatch_key_for_device(device.type)
            keys = key_sets[device.type] = torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, name))
        return op.redispatch(keys, *args, device=device, **kwargs)

    return empty
