"""The function that replaces a target."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ._errors import BindingError
from ._instruments import is_traced_function
from ._signatures import declared, misfit, parameters, passed

if TYPE_CHECKING:
    from ._slot import Slot

_KINDS = {
    inspect.CO_COROUTINE: "a coroutine function",
    inspect.CO_ASYNC_GENERATOR: "an asynchronous generator function",
    inspect.CO_ITERABLE_COROUTINE: "a generator-based coroutine function",
    inspect.CO_GENERATOR: "a generator function",
}


def bound_function(slot: Slot, upstream: FunctionType, source: FunctionType) -> FunctionType:
    """Define the function that replaces upstream, with upstream's parameters, defaults and attributes, and the dispatch.

    Where torch is loaded, calls that torch.compile traces are not counted: a traced counter is a guard on its value, so that
    every call would compile again. The current choice is a guard, too, which makes a toggle compile once.

    It shares the globals of `source`, the function inside upstream's decorators, so that code that reads ``__globals__``
    of a framework's function gets the framework's.

    Raises:
        BindingError: callers would see a difference: upstream is a coroutine or generator function, its decorators change
            its parameters, or a parameter has one of our reserved names.
    """
    of = parameters(source)
    _refuse(upstream, source)
    names: dict[str, object] = {"_syncfree_slot": slot, "_syncfree_upstream": upstream}
    unless_traced = ""
    is_traced = is_traced_function()
    if is_traced is not None:
        names["_syncfree_traced"] = is_traced
        unless_traced = "_syncfree_traced() or "
    lines = f"""
def make({", ".join(names)}):
    def function({declared(of)}):
        _syncfree_count, _syncfree_replacement, _syncfree_declined = _syncfree_slot.current
        {unless_traced}_syncfree_count()
        _syncfree_result = _syncfree_replacement({passed(of)})
        if _syncfree_result is NotImplemented:
            {unless_traced}_syncfree_declined()
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
