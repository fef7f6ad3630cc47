"""Libraries that other code loads in a dry run: NVIDIA's libraries by their paths, and shared objects that use what the stubs lack."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

from ._symbols import OF_NVIDIA

PACKAGES_VARIABLE = "SYNC_AUDIT_DRY_RUN_PACKAGES"
_SYMBOL = re.compile(rf"undefined symbol: (?P<name>{OF_NVIDIA}\w*)")
_LIBRARY = re.compile(r"(?P<name>lib(cu|nv|nccl)[\w-]*\.so[.\d]*): cannot open shared object file")


def watch_loads(stubs: Sequence[Path]) -> None:
    """Give the stub library where NVIDIA's is loaded by its path, and say in errors what the stubs lack; for the life of the process.

    torch loads the compiler libraries of NVIDIA's wheels by their paths, which would put the real ones beside the stubs.
    """
    by_name = {path.name: str(path) for path in stubs}
    load = ctypes.CDLL.__init__

    def loading(library: ctypes.CDLL, name: Any = None, *args: Any, **kwargs: Any) -> None:
        wanted = os.path.basename(os.fsdecode(name)) if name else ""
        load(library, by_name.get(wanted, name), *args, **kwargs)

    ctypes.CDLL.__init__ = _explained(loading)  # type: ignore[method-assign]
    ExtensionFileLoader.create_module = _explained(ExtensionFileLoader.create_module)  # type: ignore[method-assign]


def explanation(message: str) -> str | None:
    """Return what the stub libraries lack and what to do about it; None for an error of another kind."""
    found = _SYMBOL.search(message) or _LIBRARY.search(message)
    if found is None:
        return None
    return (
        f"the dry run has no {found['name']}: it stands in for what torch and packages that it knows use. Name the package that "
        f"uses it, as it is imported, in {PACKAGES_VARIABLE} (several with commas)"
    )


def _explained(load: Callable[..., Any]) -> Callable[..., Any]:
    def loading(*args: Any, **kwargs: Any) -> Any:
        try:
            return load(*args, **kwargs)
        except (ImportError, OSError) as error:
            more = explanation(str(error))
            if more is None:
                raise
            raise type(error)(f"{error}; {more}") from error

    return loading
