"""Differences between two results, bit for bit or within a tolerance; used by the test kit, by verification and by replays."""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from collections.abc import Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ._hook import Tolerance

if TYPE_CHECKING:
    import torch


def difference(result: Any, expected: Any, tolerance: Tolerance | None, where: str = "the result") -> str | None:
    """Return how ``result`` differs from ``expected``, bitwise without a tolerance; None when it does not. NaN equals NaN."""
    if result is expected:
        return None
    if type(result) is not type(expected):
        return f"{where} is of type {type(result).__name__}, not {type(expected).__name__}"
    torch = sys.modules.get("torch")  # a value is a tensor only where somebody has imported torch
    if torch is not None and isinstance(expected, torch.Tensor):
        return _tensor_difference(result, expected, tolerance, where)
    if hasattr(expected, "__array_interface__"):
        return _array_difference(result, expected, tolerance, where)
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


def _array_difference(result: Any, expected: Any, tolerance: Tolerance | None, where: str) -> str | None:
    import torch

    return _tensor_difference(torch.tensor(result), torch.tensor(expected), tolerance, where)


def _tensor_difference(result: torch.Tensor, expected: torch.Tensor, tolerance: Tolerance | None, where: str) -> str | None:
    import torch

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
    import torch

    kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(kinds[tensor.element_size()]) if tensor.is_floating_point() else tensor
