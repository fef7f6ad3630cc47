"""Custom operators whose body is written in Python: what such a body calls has values too.

torch switches a dispatch mode off while an operator runs that the mode was asked about. From the import of this module on,
bodies that are registered for CUDA switch the mode on again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_KEYS = ("CUDA", "CompositeExplicitAutograd")


class _Waiting(threading.local):
    """The mode that is off in this thread because of an operator, and whether that operator's body has switched it on."""

    mode: TorchDispatchMode | None = None
    entered: bool = False


_waiting = _Waiting()
_impl: Any = torch.library.Library.impl


def run(mode: TorchDispatchMode, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, bool]:
    """Run an operator; return its result, and whether its body is Python's and ran in the mode."""
    outer = _waiting.mode, _waiting.entered
    _waiting.mode, _waiting.entered = mode, False
    try:
        return function(*args, **kwargs), _waiting.entered
    finally:
        _waiting.mode, _waiting.entered = outer


def _in_mode(body: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> Any:
        mode, _waiting.mode = _waiting.mode, None
        if mode is None:
            return body(*args, **kwargs)
        _waiting.entered = True
        with mode:
            return body(*args, **kwargs)

    return run


def _impl_in_mode(self: Any, op_name: Any, fn: Any, dispatch_key: str = "", **options: Any) -> Any:
    key = dispatch_key or getattr(self, "dispatch_key", "")
    if key in _KEYS and callable(fn) and not isinstance(fn, torch._ops.OpOverload):
        fn = _in_mode(fn)
    return _impl(self, op_name, fn, dispatch_key, **options)


torch.library.Library.impl = _impl_in_mode  # type: ignore[method-assign]
