"""For the test kit: copy the arguments of a call, move them to a device, and describe how two results differ."""

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
from torch.utils._pytree import tree_map_only

from .._hook import Tolerance


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


def difference(result: Any, expected: Any, tolerance: Tolerance | None, where: str = "the result") -> str | None:
    """Return how ``result`` differs from ``expected``, bitwise without a tolerance; None when it does not. NaN equals NaN."""
    if result is expected:
        return None
    if type(result) is not type(expected):
        return f"{where} is of type {type(result).__name__}, not {type(expected).__name__}"
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(result, expected, tolerance, where)
    if hasattr(expected, "__array_interface__"):
        return _tensor_difference(torch.tensor(result), torch.tensor(expected), tolerance, where)
    if isinstance(expected, FunctionType):
        return None if inspect.unwrap(result) is inspect.unwrap(expected) else f"{where} is another function"
    if isinstance(expected, float):
        near = math.isclose(result, expected, rel_tol=tolerance.rtol, abs_tol=tolerance.atol) if tolerance else result == expected
        return None if near or (math.isnan(result) and math.isnan(expected)) else f"{where} is {result!r}, not {expected!r}"
    parts = _parts(expected)
    if parts is None:
        return None if result == expected else f"{where} is {result!r}, not {expected!r}"
    result_parts = _parts(result) or {}
    if result_parts.keys() != parts.keys():
        return f"{where} has {sorted(map(str, result_parts))}, not {sorted(map(str, parts))}"
    found = (difference(result_parts[key], part, tolerance, f"{where}[{key!r}]") for key, part in parts.items())
    return next((text for text in found if text), None)


def _parts(value: Any) -> dict[Any, Any] | None:
    """Return the parts of a compound value; None for one that compares as a whole."""
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


def _tensor_difference(result: torch.Tensor, expected: torch.Tensor, tolerance: Tolerance | None, where: str) -> str | None:
    for what in ("dtype", "shape", "device"):
        if getattr(result, what) != getattr(expected, what):
            return f"the {what} of {where} is {getattr(result, what)}, not {getattr(expected, what)}"
    result, expected = result.detach().cpu(), expected.detach().cpu()
    if tolerance is None:
        equal = _bits(result) == _bits(expected)
    else:
        equal = torch.isclose(result, expected, rtol=tolerance.rtol, atol=tolerance.atol)
    if expected.is_floating_point() or expected.is_complex():
        equal = equal | (result.isnan() & expected.isnan())
    if bool(equal.all()):
        return None
    state = tuple((~equal).nonzero()[0].tolist())
    count = int((~equal).sum())
    how = "bit for bit" if tolerance is None else f"within rtol={tolerance.rtol}, atol={tolerance.atol}"
    element = f"element {list(state)} is {result[state].item()!r}, not {expected[state].item()!r}"
    return f"{count} of {equal.numel()} elements of {where} differ ({how}): {element}"


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Return integers with the bits of a floating-point tensor; any other tensor as it is."""
    kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(kinds[tensor.element_size()]) if tensor.is_floating_point() else tensor
