"""The code that replaced a target, for messages. Reads no attribute of the object itself, which may return anything."""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, ModuleType

from ._namespace import class_name, globals_of, held_by, is_module


def described(value: object, module: ModuleType) -> str:
    """Return the module, file and line of the object that replaced a function of this module."""
    if type(value) is FunctionType:
        own = value.__code__.co_filename == globals_of(module).get("__file__")
        unless = ", unless that file was changed after it was imported" if own else ""
        return f"{_where(value.__code__, value.__globals__)}{unless}"
    foreign = _function_in(value, module)
    of = f" of {_where(foreign.__code__, foreign.__globals__)}" if foreign is not None else ""
    return f"a {class_name(type(value))}{of}"


def _where(code: CodeType, names: dict[str, object]) -> str:
    of_file = (
        name
        for name, module in tuple(sys.modules.items())
        if is_module(module) and globals_of(module).get("__file__") == code.co_filename
    )
    name = next(of_file, None) or names.get("__name__", "unknown")
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _function_in(value: object, module: ModuleType) -> FunctionType | None:
    """Return a foreign function that a proxy, a partial, a method or a mock holds."""
    for held in held_by(value):
        if type(held) is FunctionType and held.__globals__ is not globals_of(module):
            return held
    return None
