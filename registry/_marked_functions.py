"""The functions that a plugin marks as implementations of hooks, and the check that a hot path can call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ._errors import PluginError, attributed_to, one_line, unknown_hook
from ._hook import PROJECT, Hook
from ._signatures import misfit

MARK = f"{PROJECT}_impl"
"""The attribute that pluggy's marker leaves on a function."""
_UNWANTED = {
    "hookwrapper": "a hook has one implementation, without wrappers",
    "wrapper": "a hook has one implementation, without wrappers",
    "tryfirst": "the order of defaults is given by SYNCFREE_PLUGINS and by hookimpl(preference=...)",
    "trylast": "the order of defaults is given by SYNCFREE_PLUGINS and by hookimpl(preference=...)",
    "optionalhook": "no adapter calls a hook that is not in the catalogue",
}


def marked_by(plugin: object, hooks: Iterable[str], who: str) -> dict[str, Callable[..., Any]]:
    """Return the functions that a plugin marks, by hook.

    Raises:
        PluginError: an attribute cannot be read, or a mark is on an unknown hook, on two functions for one hook, on anything
            but a function, or has an option that is not supported.
    """
    known = tuple(hooks)
    found: dict[str, Callable[..., Any]] = {}
    with attributed_to(f"plugin {who}: its attributes cannot be listed"):
        names = [name for name in dir(plugin) if type(name) is str]
    for name in names:
        with attributed_to(f"plugin {who}: its attribute {name!r} cannot be read"):
            function, options = _with_options(plugin, name)
        if options is None:
            continue
        hook = options.get("specname") or name
        if hook not in known:
            raise PluginError(f"plugin {who}: {unknown_hook(hook, known)}")
        for option, reason in _UNWANTED.items():
            if options.get(option):
                raise PluginError(f"plugin {who}: {hook} is marked with {option}, which is not supported: {reason}")
        if not inspect.isroutine(function):
            kind = "class" if isinstance(function, type) else type(function).__name__
            raise PluginError(f"plugin {who}: {hook} is a {one_line(kind)}, not a function")
        if hook in found:
            raise PluginError(f"plugin {who}: two functions are marked for {hook}; keep one, or make two plugins of them")
        found[hook] = function
    return found


def check_signature(hook: Hook, function: Callable[..., Any], who: str) -> None:
    """Raise `PluginError` unless a plain call with the contract's parameters, in order, by position, runs the function."""
    with attributed_to(f"plugin {who}: {hook.name} cannot be inspected"):
        for kind, is_kind in _NOT_PLAIN.items():
            if is_kind(function) or is_kind(getattr(type(function), "__call__", None)):  # noqa: B004 - what a call runs
                raise PluginError(f"plugin {who}: {hook.name} is {kind}: calling it does not return a result")
    with attributed_to(f"plugin {who}: {hook.name} has no signature that can be read"):
        parameters = list(inspect.signature(function).parameters.values())
        shown = ", ".join(map(str, parameters))
    contract = list(inspect.signature(hook.spec).parameters.values())
    written = f"{hook.name}({', '.join(p.name for p in contract)})"
    positional = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if [p.name for p in parameters] != [p.name for p in contract] or not positional:
        raise PluginError(f"plugin {who}: {hook.name}({one_line(shown)}) is not the contract {written}")
    with attributed_to(f"plugin {who}: {hook.name} cannot be inspected"):
        problem = misfit(function, contract)
    if problem:
        raise PluginError(f"plugin {who}: {hook.name} does not take a call of its contract {written}: {problem}")


_NOT_PLAIN: dict[str, Callable[[object], bool]] = {
    "a class": inspect.isclass,
    "a coroutine function": inspect.iscoroutinefunction,
    "a generator function": inspect.isgeneratorfunction,
    "an asynchronous generator function": inspect.isasyncgenfunction,
}


def _with_options(plugin: object, name: str) -> tuple[Any, dict[str, Any] | None]:
    """Return an attribute of a plugin with the options of its marker; None for one that is not marked."""
    value = getattr(plugin, name)
    # pluggy looks at functions only: it would silently leave out anything else that is marked.
    options = getattr(value, MARK, None) if inspect.isroutine(value) else inspect.getattr_static(value, MARK, None)
    return value, options if isinstance(options, dict) else None
