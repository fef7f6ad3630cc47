"""Loading at a framework's first import: called by ``syncfree.pth``'s finder and by a framework's plugin entry point."""

from __future__ import annotations

from packaging.version import Version

from ._api import load
from ._errors import SelectionError, describe_error
from ._frameworks import find_installed
from ._log import log_of
from ._runtime import RUNTIME
from .adapting import Adapter

_log = log_of()


def first_import(framework: str) -> None:
    """Load a framework's hooks, unless its installed release loads plugins itself: they are loaded once per process.

    Raises:
        SelectionError: see `load_unless_broken`; the ``import`` statement that started this raises it.
    """
    adapter = _adapter(framework)
    installed = None if adapter is None else find_installed(adapter)
    since = None if adapter is None else adapter.loads_plugins_since
    loads_plugins = (
        since is not None and installed is not None and installed.version is not None and installed.version >= Version(since)
    )
    if not loads_plugins:
        load_unless_broken(framework)


def load_unless_broken(framework: str) -> None:
    """Load a framework's hooks; an error that no explicit choice caused is logged at ERROR, and the framework is unchanged.

    Raises:
        SelectionError: an explicit choice cannot be met.
    """
    try:
        adapter = _adapter(framework)
        if adapter is None:
            why = "; ".join(RUNTIME.adapters().broken) or "no installed distribution has an adapter for it"
            _log.error("syncfree: nothing of %s is bound: %s", framework, why)
        elif find_installed(adapter) is not None:
            load(framework)
    except SelectionError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must not break the framework; it is logged
        _log.error("syncfree: nothing of %s is bound: %s", framework, describe_error(error))
        _log.debug("syncfree: traceback of this error", exc_info=error)


def _adapter(framework: str) -> Adapter | None:
    return next((adapter for adapter in RUNTIME.adapters() if adapter.framework == framework), None)
