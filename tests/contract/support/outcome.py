"""What a call returned and what it made of its arguments, to compare implementations that work in place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch


def outcome(function: Callable[..., Any], call: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Call a function with copies of keyword arguments; return its result and the copies as it left them."""
    arguments = copy.deepcopy(dict(call))
    return function(**arguments), arguments


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, tensors bit for bit and of one dtype and device."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
