"""The function that replaces a target."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ._errors import BindingError
from ._signatures import declared, misfit, parameters, passed

if TYPE_CHECKING:
    from ._slot import Slot

_KINDS = {
    inspect.CO_COROUTINE: "a coroutine function",
    inspect.CO_ASYNC_GENERATOR: "an asynchronous generator function",
    inspect.CO_ITERABLE_COROUTINE: "a generator-based coroutine function",
    inspect.CO_GENERATOR: "a generator function",
}


def bound_function(slot: Slot, upstream: FunctionType, source: FunctionType, traced: bool) -> FunctionType:
    """Define the function that replaces upstream, with upstream's parameters, defaults and attributes, and the dispatch.

    It shares the globals of `source`, the function inside upstream's decorators, so that code that reads ``__globals__``
    of a framework's function gets the framework's.

    Raises:
        BindingError: callers would see a difference: upstream is a coroutine or generator function, its decorators change
            its parameters, or a parameter has one of our reserved names.
    """
    of = parameters(source)
    _refuse(upstream, source)
    names: dict[str, object] = {"_syncfree_slot": slot, "_syncfree_upstream": upstream}
    count = "_syncfree_count()"
    if traced:
        from torch.compiler import is_compiling

        # A traced counter would break the graph, or count once.
        names["_syncfree_compiling"] = is_compiling
        count = "_syncfree_compiling() or _syncfree_count()"
    lines = f"""
def make({", ".join(names)}):
    def function({declared(of)}):
        _syncfree_count, _syncfree_replacement, _syncfree_declined = _syncfree_slot.current
        {count}
        _syncfree_result = _syncfree_replacement({passed(of)})
        if _syncfree_result is NotImplemented:
            _syncfree_declined()
            return _syncfree_upstream({passed(of)})
        return _syncfree_result
    return function
"""
    scope: dict[str, Any] = {}
    exec(compile(lines, f"<syncfree slot of {upstream.__qualname__}>", "exec"), source.__globals__, scope)
    function: FunctionType = scope["make"](**names)
    function.__defaults__ = source.__defaults__
    function.__kwdefaults__ = source.__kwdefaults__
    functools.update_wrapper(function, upstream)
    return function


def _refuse(upstream: FunctionType, source: FunctionType) -> None:
    of = parameters(source)
    kind = next((text for flag, text in _KINDS.items() if upstream.__code__.co_flags & flag), None)
    if kind is not None:
        raise BindingError(f"{upstream.__qualname__} is {kind}; a bound function is a plain one, so callers would see the difference")
    clash = [p.name for p in of if p.name.startswith("_syncfree_")]
    if clash:
        raise BindingError(f"{upstream.__qualname__} has parameters named {clash}, which syncfree uses itself")
    problem = misfit(upstream, of)
    if problem is not None:
        raise BindingError(f"{upstream.__qualname__} has a decorator that changes its parameters: {problem}")
