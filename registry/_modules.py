"""Fully imported modules, told from others: one that is still being imported lacks what its source defines later."""

from __future__ import annotations

import sys
from types import ModuleType


def is_importing(module: object) -> bool:
    """Return whether a module's code is still running, in this thread or in another."""
    try:
        spec = object.__getattribute__(module, "__spec__")  # a lazy module's __getattribute__ would import it
    except AttributeError:
        return False
    return bool(getattr(spec, "_initializing", False))


def is_stand_in(module: object) -> bool:
    """Return whether this did not come from an import: an empty module or another object that was put into ``sys.modules``."""
    try:
        attributes = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return True
    return attributes.get("__spec__") is None and attributes.get("__file__") is None


def fully_imported(name: str) -> ModuleType | None:
    """Return a module whose import has finished; None for any other. Imports nothing."""
    module = sys.modules.get(name)
    return None if module is None or is_importing(module) else module


def importing_behind(error: BaseException) -> str | None:
    """Return the module that lacks a name because it is still being imported, if that caused the error; else None."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and not any(following is visited for visited in seen):
        seen.append(following)
        name = following.name if isinstance(following, ImportError) else None
        module = following.obj if isinstance(following, AttributeError) else sys.modules.get(name or "")
        if isinstance(module, ModuleType) and is_importing(module):
            return module.__name__
        following = following.__cause__ or following.__context__
    return None


def anything_importing() -> bool:
    """Return whether some module's code is running at this moment, in whatever thread."""
    return any(is_importing(module) for module in tuple(sys.modules.values()))
