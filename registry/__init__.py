"""syncfree: pluggable hot-path hooks for inference frameworks, proven free of GPU stalls.

Importing this package imports neither torch nor a framework, and the parts are imported when they are first used: every
interpreter of an environment may import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from ._ab import Comparison, compare
    from ._api import Use, counters, holders, load, plan, register, restore, use, verified, verify
    from ._errors import BindingError, PluginError, SelectionError, SyncfreeError
    from ._hook import Hook, Tolerance, hookimpl, hookspec
    from ._implementations import Implementations, implementations
    from ._plan import Entry, Plan
    from ._slot import Counts
    from .verifying._mismatch import Mismatch, VerificationError
    from .verifying._verifier import Verified

_HOME = {
    "BindingError": "_errors",
    "Comparison": "_ab",
    "Counts": "_slot",
    "Entry": "_plan",
    "Hook": "_hook",
    "Implementations": "_implementations",
    "Mismatch": "verifying._mismatch",
    "Plan": "_plan",
    "PluginError": "_errors",
    "SelectionError": "_errors",
    "SyncfreeError": "_errors",
    "Tolerance": "_hook",
    "Use": "_api",
    "VerificationError": "verifying._mismatch",
    "Verified": "verifying._verifier",
    "compare": "_ab",
    "counters": "_api",
    "holders": "_api",
    "hookimpl": "_hook",
    "hookspec": "_hook",
    "implementations": "_implementations",
    "load": "_api",
    "plan": "_api",
    "register": "_api",
    "restore": "_api",
    "use": "_api",
    "verified": "_api",
    "verify": "_api",
}

__all__ = [
    "BindingError",
    "Comparison",
    "Counts",
    "Entry",
    "Hook",
    "Implementations",
    "Mismatch",
    "Plan",
    "PluginError",
    "SelectionError",
    "SyncfreeError",
    "Tolerance",
    "Use",
    "VerificationError",
    "Verified",
    "__version__",
    "compare",
    "counters",
    "holders",
    "hookimpl",
    "hookspec",
    "implementations",
    "load",
    "plan",
    "register",
    "restore",
    "use",
    "verified",
    "verify",
]


if not TYPE_CHECKING:  # a type checker would take every name for one of this package

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
