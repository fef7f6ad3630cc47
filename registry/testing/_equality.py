"""For the test kit: copy the arguments of a call, put them on a device, and say how two results differ."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import FunctionType, MethodType
from typing import Any

import torch

from .._hook import Tolerance


def copied(arguments: dict[str, Any]) -> dict[str, Any]:
    """A deep copy in which views still share memory; process groups are the same ones."""
    groups = {id(v): v for v in arguments.values() if isinstance(v, torch.distributed.ProcessGroup)}
    return copy.deepcopy(arguments, groups)


class Mover:
    """Puts the values of one call on a device; what is the same tensor or memory is the same there, too.

    Args:
        device: where.
        upload: called for each upload while a function of the arguments runs (that upload is not the implementation's).
    """

    def __init__(self, device: str, upload: Callable[[Callable[[], Any]], Any]) -> None:
        self._device = torch.device(device)
        self._upload = upload
        self._tensors: dict[int, torch.Tensor] = {}
        self._storages: dict[int, torch.Tensor] = {}

    def __call__(self, value: Any) -> Any:
        """The value, with its tensors, devices and what its functions return on the device."""
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


def difference(mine: Any, theirs: Any, tolerance: Tolerance | None, where: str = "the result") -> str | None:
    """How ``mine`` differs from ``theirs``; None when it does not. NaN equals NaN. Without a tolerance every bit counts."""
    if mine is theirs:
        return None
    if type(mine) is not type(theirs):
        return f"{where} is of type {type(mine).__name__}, not {type(theirs).__name__}"
    if isinstance(theirs, torch.Tensor):
        return _tensor_difference(mine, theirs, tolerance, where)
    if hasattr(theirs, "__array_interface__"):
        return _tensor_difference(torch.tensor(mine), torch.tensor(theirs), tolerance, where)
    if isinstance(theirs, FunctionType):
        return None if inspect.unwrap(mine) is inspect.unwrap(theirs) else f"{where} is another function"
    if isinstance(theirs, float):
        near = math.isclose(mine, theirs, rel_tol=tolerance.rtol, abs_tol=tolerance.atol) if tolerance else mine == theirs
        return None if near or (math.isnan(mine) and math.isnan(theirs)) else f"{where} is {mine!r}, not {theirs!r}"
    parts = _parts(theirs)
    if parts is None:
        return None if mine == theirs else f"{where} is {mine!r}, not {theirs!r}"
    my_parts = _parts(mine) or {}
    if my_parts.keys() != parts.keys():
        return f"{where} has {sorted(map(str, my_parts))}, not {sorted(map(str, parts))}"
    found = (difference(my_parts[key], part, tolerance, f"{where}[{key!r}]") for key, part in parts.items())
    return next((text for text in found if text), None)


def _parts(value: Any) -> dict[Any, Any] | None:
    """What a compound value is made of; None for one that compares as a whole."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, list)):
        return dict(enumerate(value))
    if isinstance(value, MethodType):
        return {"function": value.__func__, "self": value.__self__}
    if isinstance(value, partial):
        return {"function": value.func, "args": value.args, "keywords": value.keywords}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    inherited: Any = object.__eq__
    if type(value).__eq__ is inherited and hasattr(value, "__dict__") and not isinstance(value, type):
        attributes: dict[Any, Any] = vars(value)
        return attributes
    return None


def _tensor_difference(mine: torch.Tensor, theirs: torch.Tensor, tolerance: Tolerance | None, where: str) -> str | None:
    for what in ("dtype", "shape", "device"):
        if getattr(mine, what) != getattr(theirs, what):
            return f"the {what} of {where} is {getattr(mine, what)}, not {getattr(theirs, what)}"
    mine, theirs = mine.detach().cpu(), theirs.detach().cpu()
    if tolerance is None:
        equal = _bits(mine) == _bits(theirs)
    else:
        equal = torch.isclose(mine, theirs, rtol=tolerance.rtol, atol=tolerance.atol)
    if theirs.is_floating_point() or theirs.is_complex():
        equal = equal | (mine.isnan() & theirs.isnan())
    if bool(equal.all()):
        return None
    state = tuple((~equal).nonzero()[0].tolist())
    count = int((~equal).sum())
    how = "bit for bit" if tolerance is None else f"within rtol={tolerance.rtol}, atol={tolerance.atol}"
    element = f"element {list(state)} is {mine[state].item()!r}, not {theirs[state].item()!r}"
    return f"{count} of {equal.numel()} elements of {where} differ ({how}): {element}"


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Integers with the bits of a floating-point tensor; any other tensor as it is."""
    kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(kinds[tensor.element_size()]) if tensor.is_floating_point() else tensor
