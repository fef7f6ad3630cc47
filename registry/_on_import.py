"""What happens when ``syncfree.pth``'s finder notices a framework."""

from __future__ import annotations

from packaging.version import Version

from ._face import load
from ._frameworks import find_installed
from ._runtime import RUNTIME


def first_import(framework: str) -> None:
    """Load a framework's hooks, unless its installed release loads plugins itself: one way in per process, never two.

    Raises:
        SelectionError: see `syncfree.load`; it then leaves the ``import`` statement that started this.
    """
    adapter = RUNTIME.adapters().get(framework)
    installed = find_installed(adapter)
    if installed is None:
        return
    since = adapter.loads_plugins_since
    if since is not None and installed.version is not None and installed.version >= Version(since):
        return
    load(framework)
