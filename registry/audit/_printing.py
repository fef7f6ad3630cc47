"""Audit a tensor that is printed as any other code.

torch switches every dispatch mode off while it formats a tensor: the waits of that would have no operator, and in a dry run the
operators by which it decides on the format no values.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

_tensor_str: Any = torch._tensor_str


class KeptWhilePrinting(TorchDispatchMode):
    """A dispatch mode that stays on while torch formats a tensor, once `install` was called."""


class _Local(threading.local):
    modes: tuple[KeptWhilePrinting, ...] = ()


_local = _Local()
_is_installed = False


def install(contents: Callable[[torch.Tensor], str | None] = lambda tensor: None) -> None:
    """Keep modes on in every tensor's ``repr`` from now on.

    Args:
        contents: returns what to print as the numbers of a tensor, or None for what torch prints.
    """
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    format_, format_inside = _tensor_str._str, _tensor_str._str_intern

    def _str(self: torch.Tensor, *, tensor_contents: str | None = None) -> Any:
        outer = _local.modes
        _local.modes = tuple(mode for mode in _get_current_dispatch_mode_stack() if isinstance(mode, KeptWhilePrinting))
        try:
            return format_(self, tensor_contents=tensor_contents)
        finally:
            _local.modes = outer

    def _str_intern(inp: torch.Tensor, *, tensor_contents: str | None = None) -> Any:
        with contextlib.ExitStack() as modes:
            for mode in _local.modes:
                modes.enter_context(mode)
            return format_inside(inp, tensor_contents=contents(inp) if tensor_contents is None else tensor_contents)

    _tensor_str._str, _tensor_str._str_intern = _str, _str_intern
