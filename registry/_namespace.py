"""The real attributes of classes and modules, bypassing what a metaclass or a module's class may return instead."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

ABSENT: Any = object()
_of_class = type.__dict__["__dict__"].__get__
_of_module: Any = vars(ModuleType)["__dict__"].__get__
_module_of_class = type.__dict__["__module__"].__get__
_name_of_class = type.__dict__["__qualname__"].__get__


def namespace(owner: type | ModuleType) -> Mapping[str, Any]:
    """Return the real ``__dict__`` of a class or module."""
    found: Mapping[str, Any] = _of_class(owner) if is_class(owner) else globals_of(owner)
    return found


def globals_of(module: Any) -> dict[str, Any]:
    """Return the globals of the functions that a module defines."""
    found: dict[str, Any] = _of_module(module)
    return found


def is_class(value: object) -> bool:
    """Return whether it really is a class; `isinstance` would trust ``__class__``."""
    return issubclass(type(value), type)


def is_module(value: object) -> bool:
    """Return whether it really is a module; `isinstance` would trust ``__class__``."""
    return issubclass(type(value), ModuleType)


def member(value: Any, dotted: str) -> Any:
    """Return the attribute ``a.b`` of a value without running any of its code; `ABSENT` when it does not exist."""
    for name in dotted.split("."):
        if is_module(value):
            value = globals_of(value).get(name, ABSENT)
        else:
            value = inspect.getattr_static(value, name, ABSENT)
        if type(value) in (staticmethod, classmethod):
            value = value.__func__
    return value


def packages(value: object) -> set[str]:
    """Return the top-level packages that define a function, a class with its bases, or the class of any other object.

    A function whose globals are not those of a loaded module has none.
    """
    homes: list[Any]
    if type(value) is FunctionType:
        home = value.__globals__.get("__name__")
        module: Any = sys.modules.get(home) if type(home) is str else None
        homes = [home] if is_module(module) and globals_of(module) is value.__globals__ else []
    else:
        bases = type.__dict__["__mro__"].__get__(value if is_class(value) else type(value))
        homes = [_module_of_class(base) for base in bases]
    return {home.split(".")[0] for home in homes if type(home) is str} - {"builtins"}


def held_by(value: object) -> list[object]:
    """Return the objects in a function's closure, or in any other object, its attributes, and its tuples and lists."""
    if type(value) is FunctionType:
        return gc.get_referents(*(value.__closure__ or ()))
    near = gc.get_referents(value)
    return [*near, *gc.get_referents(*(part for part in near if type(part) in (dict, tuple, list)))]


def class_name(of: type) -> str:
    """Return a class's module and name."""
    return f"{_module_of_class(of)}.{_name_of_class(of)}"
