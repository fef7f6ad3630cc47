"""For the test kit: copy the arguments of a call, and move them to a device."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import Any

import torch
from torch.utils._pytree import tree_map_only


def copied(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a deep copy in which views still share memory; process groups are the same ones."""
    groups = {id(v): v for v in arguments.values() if isinstance(v, torch.distributed.ProcessGroup)}
    return copy.deepcopy(arguments, groups)


def in_pinned_memory(value: Any) -> Any:
    """Return a value with copies of its tensors in pinned memory."""
    return tree_map_only(torch.Tensor, torch.Tensor.pin_memory, value)


class Mover:
    """Moves the values of one call to a device; tensors that are identical or share memory do so there, too.

    Args:
        device: the device.
        upload: called for each upload of a function's result (that upload is not the implementation's).
    """

    def __init__(self, device: str, upload: Callable[[Callable[[], Any]], Any]) -> None:
        self._device = torch.device(device)
        self._upload = upload
        self._tensors: dict[int, torch.Tensor] = {}
        self._storages: dict[int, torch.Tensor] = {}

    def __call__(self, value: Any) -> Any:
        """Return the value, with its tensors, its devices and the results of its functions on the device."""
        if isinstance(value, torch.Tensor):
            if value.device != self._device and id(value) not in self._tensors:
                self._tensors[id(value)] = self._tensor(value)
            return self._tensors.get(id(value), value)
        if isinstance(value, torch.device):
            return self._device
        if isinstance(value, Mapping):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if isinstance(value, (tuple, list)):
            return type(value)(map(self, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            parts = {field.name: self(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **parts)
        if isinstance(value, FunctionType):
            return self._function(value)
        return value

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._storages:
            everything = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._storages[storage.data_ptr()] = everything.to(self._device)
        moved = self._storages[storage.data_ptr()].view(tensor.dtype)
        return moved.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())

    def _function(self, function: FunctionType) -> Callable[..., Any]:
        @wraps(function)
        def on_device(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            return self._upload(lambda: Mover(str(self._device), self._upload)(result))

        return on_device
