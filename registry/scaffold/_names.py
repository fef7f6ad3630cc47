"""The names that a new package may have."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys

from .._errors import SelectionError
from .._plugins import RESERVED

_NAME = re.compile(r"[a-z][a-z0-9_]*[a-z0-9]")
_NEEDED = ("torch", "pytest", "hypothesis", "setuptools")
"""What a new package or its tests need, here or where it is installed later."""
_TOP_LEVEL = re.compile(r"[A-Za-z_]\w*")


def check_name(name: str, what: str, taken: dict[str, str | None]) -> None:
    """Refuse a name that the package and its entry point cannot have.

    Args:
        name: the name of the package, of its module and of its entry point.
        what: ``plugin`` or ``adapter``, for messages.
        taken: installed ones with their distributions.

    Raises:
        SelectionError: it is no lower-case identifier, a keyword, reserved, or the name of something that exists.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        example = "kept_frames" if what == "plugin" else "acme_syncfree"
        raise SelectionError(
            f"{name!r} cannot be the name of a package: use two or more lower-case letters, digits and _, such as {example!r}, "
            "with a letter first and no _ last, and no keyword of Python"
        )
    if name in RESERVED:
        raise SelectionError(f"{name!r} cannot be a {what}'s name: it means a choice; take another one")
    if name in taken:
        raise SelectionError(f"{what} {name!r} is installed already, by {taken[name] or 'the program'}; take another name")
    if name in sys.stdlib_module_names or name in _NEEDED or _is_module(name):
        raise SelectionError(f"a module {name!r} exists already, and the package would hide it; take another name")


def _is_module(name: str) -> bool:
    """Return whether a module can be imported; a folder without code, which has no origin, is none."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None


def check_package(name: str) -> None:
    """Refuse what cannot be a framework's top-level package.

    Raises:
        SelectionError: it is not an identifier.
    """
    if not _TOP_LEVEL.fullmatch(name) or keyword.iskeyword(name):
        raise SelectionError(f"--framework: {name!r} is not the name of a top-level package, such as 'acme'")
