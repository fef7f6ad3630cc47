"""The bodies that custom operators have for the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

registered: dict[str, Callable[..., Any]] = {}
"""By name, as in ``torch.ops``."""


def cpu_body(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a custom operator a body for the dry run: called with CPU tensors over the device's memory in the place of its tensors.

    Args:
        name: as in ``torch.ops``, such as ``"_C::silu_and_mul"``.

    Returns:
        A decorator. The function returns what the operator returns, or None for one that writes its results into operands.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        registered[name] = function
        return function

    return register
