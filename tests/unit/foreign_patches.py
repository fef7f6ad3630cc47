"""Patches that somebody else puts in the place of a function, and how each disguises itself."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import wrapt


def changed_globals(function: Any) -> Any:
    copy = types.FunctionType(function.__code__, {**function.__globals__}, None, function.__defaults__, function.__closure__)
    return functools.update_wrapper(copy, function)


def other_constants(function: Any) -> Any:
    constants = tuple("changed" if c == "upstream" else c for c in function.__code__.co_consts)
    names = tuple("tuple" if n == "list" else n for n in function.__code__.co_names)
    code = function.__code__.replace(co_consts=constants, co_names=names)
    if code == function.__code__:
        return wrapped(function)
    copy = types.FunctionType(code, function.__globals__, None, function.__defaults__, function.__closure__)
    return functools.update_wrapper(copy, function)


def exchanged_code(function: Any) -> Any:
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return "theirs"

    if function.__closure__ is not None:
        return wrapped(function)
    function.__code__ = theirs.__code__
    return function


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return theirs


def lying(function: Any) -> Any:
    """Holds no original, and says that it wraps it."""

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return "theirs"

    return functools.update_wrapper(theirs, function)


def wrapt_wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


class Forwarding:
    """Says of itself that it is a function, and forwards every attribute."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.theirs = wrapped(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.theirs(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["function"], name)

    @property
    def __class__(self) -> Any:
        return types.FunctionType


PATCHES: dict[str, Callable[[Any], Any]] = {
    "a function": lambda function: lambda *args, **kwargs: "theirs",
    "functools.wraps": wrapped,
    "functools.wraps twice": lambda function: wrapped(wrapped(function)),
    "functools.wraps of what it does not call": lying,
    "wrapt.FunctionWrapper": lambda function: wrapt.FunctionWrapper(function, wrapt_wrapper),
    "wrapt.decorator": lambda function: wrapt.decorator(wrapt_wrapper)(function),
    "wrapt.ObjectProxy": wrapt.ObjectProxy,
    "functools.partial": lambda function: functools.update_wrapper(functools.partial(wrapped(function)), function),
    "functools.partialmethod": lambda function: functools.partialmethod(wrapped(function)),
    "functools.lru_cache": functools.lru_cache,
    "functools.singledispatch": functools.singledispatch,
    "contextlib.contextmanager": contextlib.contextmanager,
    "a mock": lambda function: mock.MagicMock(wraps=function),
    "an autospecced mock": lambda function: mock.create_autospec(function),
    "a bound method": lambda function: types.MethodType(wrapped(function), object()),
    "an object that forwards": Forwarding,
    "a copy with other globals": changed_globals,
    "a copy with other constants": other_constants,
    "its code exchanged": exchanged_code,
    "a class": lambda function: type("Theirs", (), {}),
    "a builtin": lambda function: print,
    "a property": property,
    "nothing": lambda function: None,
}
