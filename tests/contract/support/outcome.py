"""The result of a call and its arguments afterwards, to compare implementations that work in place."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch


def outcome(function: Callable[..., Any], call: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Call a function with copies of keyword arguments; return its result and the copies as it left them."""
    arguments = copy.deepcopy(dict(call))
    return function(**arguments), arguments


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, tensors of one shape, dtype and device; nan is equal to nan."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and _are_same_tensors(one, other)
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _are_same_tensors(one: torch.Tensor, other: torch.Tensor) -> bool:
    if (one.dtype, one.shape, one.device) != (other.dtype, other.shape, other.device):
        return False
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(one[~one.isnan()], other[~one.isnan()])
