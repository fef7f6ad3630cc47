"""What happens when ``syncfree.pth``'s finder notices a framework, and what a framework's own plugin entry point calls."""

from __future__ import annotations

import logging

from packaging.version import Version

from ._errors import SelectionError
from ._face import load
from ._frameworks import find_installed
from ._runtime import RUNTIME


def first_import(framework: str) -> None:
    """Load a framework's hooks, unless its installed release loads plugins itself: one way in per process, never two.

    Raises:
        SelectionError: an explicit choice cannot be met; it then leaves the ``import`` statement that started this.
    """
    adapter = next((adapter for adapter in RUNTIME.adapters() if adapter.framework == framework), None)
    if adapter is None:
        why = "; ".join(RUNTIME.adapters().broken) or "no installed distribution brings an adapter for it"
        logging.getLogger("syncfree").error("syncfree: nothing of %s is bound: %s", framework, why)
        return
    installed = find_installed(adapter)
    if installed is None:
        return
    since = adapter.loads_plugins_since
    if since is not None and installed.version is not None and installed.version >= Version(since):
        return
    load_unless_broken(framework)


def load_unless_broken(framework: str) -> None:
    """Load a framework's hooks; an error of ours is logged at ERROR and leaves the framework as it is.

    Raises:
        SelectionError: an explicit choice cannot be met.
    """
    try:
        load(framework)
    except SelectionError:
        raise
    except Exception as error:
        logging.getLogger("syncfree").error(
            "syncfree: nothing of %s is bound: %s", framework, error, exc_info=error
        )
