"""syncfree: pluggable hot-path hooks for inference frameworks, proven free of GPU stalls.

Importing this package imports neither torch nor a framework.
"""

from __future__ import annotations


from ._errors import BindingError, PluginError, SelectionError, SyncfreeError
from ._face import Use, compare, counters, holders, load, plan, register, restore, use
from ._hook import Hook, Tolerance, hookimpl
from ._plan import Entry, Plan
from ._slot import Counts
from ._version import __version__

__all__ = [
    "BindingError",
    "Counts",
    "Entry",
    "Hook",
    "Plan",
    "PluginError",
    "SelectionError",
    "SyncfreeError",
    "Tolerance",
    "Use",
    "__version__",
    "compare",
    "counters",
    "holders",
    "hookimpl",
    "load",
    "plan",
    "register",
    "restore",
    "use",
]

