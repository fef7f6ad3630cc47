"""Which modules have been imported to their end: one that is still being imported lacks what its source defines later."""

from __future__ import annotations

import sys
from types import ModuleType


def is_importing(module: object) -> bool:
    """Whether a module's code is still running, in this thread or in another."""
    try:
        spec = object.__getattribute__(module, "__spec__")  # a lazy module's own look-up would import it
    except AttributeError:
        return False
    return bool(getattr(spec, "_initializing", False))


def is_stand_in(module: object) -> bool:
    """Whether this did not come from an import: an empty module or another object that somebody put into ``sys.modules``."""
    try:
        attributes = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return True
    return attributes.get("__spec__") is None and attributes.get("__file__") is None


def fully_imported(name: str) -> ModuleType | None:
    """A module that has been imported to its end; None for any other, which is not there yet. Imports nothing."""
    module = sys.modules.get(name)
    return None if module is None or is_importing(module) else module


def importing_behind(error: BaseException) -> str | None:
    """The name of the module that something was missing in because it is still being imported; None otherwise."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and not any(following is one for one in seen):
        seen.append(following)
        name = following.name if isinstance(following, ImportError) else None
        module = following.obj if isinstance(following, AttributeError) else sys.modules.get(name or "")
        if isinstance(module, ModuleType) and is_importing(module):
            return module.__name__
        following = following.__cause__ or following.__context__
    return None
