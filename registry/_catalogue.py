"""The adapters, the plugins and the user's choices of a process: discovered on first use, extended by the program."""

from __future__ import annotations

from collections.abc import Mapping

from ._adapters import Adapters
from ._discovery import Discovered, discover, with_plugins
from ._errors import PluginError, SelectionError
from ._locks import Locks, Nesting
from ._plugins import Plugins, entry_points
from ._selection import Selection
from ._variables import is_off
from .hooks import HOOKS


class Catalogue:
    """The adapters and plugins of a process, and its user's choices.

    A result that foreign code asks for in the middle of a discovery, such as a plugin while it is imported, is not kept.
    """

    def __init__(self, environ: Mapping[str, str], adapters: Adapters | None, locks: Locks) -> None:
        """Make a catalogue that has discovered nothing.

        Args:
            environ: the environment variables with the user's choices.
            adapters: the adapters; None discovers the installed ones on first use.
            locks: of the runtime.
        """
        self._environ = environ
        self._adapters = adapters
        self._locks = locks
        self._nested = Nesting()
        self._registered: tuple[tuple[object, str], ...] = ()
        self._discovered: Discovered | None = None

    def adapters(self) -> Adapters:
        """Return the adapters, discovered on first use."""
        while (found := self._adapters) is None:
            with self._nested.entered() as outermost:
                made = Adapters().discover()
            if not outermost:
                return made
            with self._locks.state:
                self._adapters = self._adapters or made
        return found

    def discovered(self) -> Discovered:
        """Return the user's selection and the plugins that it permits, discovered and validated on first use.

        Raises:
            SelectionError: the environment or the configuration file names something that does not exist.
        """
        while (found := self._discovered) is None:
            registered = self._registered
            with self._nested.entered() as outermost:
                made = discover(self._environ, registered)
            if not outermost:
                return made
            with self._locks.state:
                if self._discovered is None and self._registered is registered:
                    self._discovered = made
        return found

    def plugins(self) -> Plugins:
        """Return the plugins that the user's selection permits; see `discovered`."""
        return self.discovered().plugins

    def selection(self) -> Selection:
        """Return the user's choices; see `discovered`."""
        return self.discovered().selection

    @property
    def is_off(self) -> bool:
        """Return whether the variable ``SYNCFREE`` switches everything off; then nothing is discovered.

        Raises:
            SelectionError: it holds something other than on or off.
        """
        return is_off(self._environ)

    @property
    def enabled(self) -> bool:
        """Return whether anything may be bound: neither ``SYNCFREE`` nor the configuration file switches everything off.

        Raises:
            SelectionError: see `discovered`, which is not called if the variable switches everything off.
        """
        return not self.is_off and self.selection().enabled

    def register(self, plugin: object, name: str) -> None:
        """Register a plugin of the program.

        Raises:
            PluginError: see `Plugins.register`.
            SelectionError: ``SYNCFREE_PLUGINS`` excludes this name.
        """
        Plugins(HOOKS).register(plugin, name)  # validate it here, so that the caller gets the error
        while True:
            before, found = self._registered, self._discovered
            registered = (*before, (plugin, name))
            taken = {point for point, _, _ in entry_points()} if found is None else found.names
            taken = taken | {registered_name for _, registered_name in before}
            if name in taken:
                raise PluginError(f"plugin {name!r}: the name is taken. Taken: {', '.join(sorted(taken))}")
            if found is not None:
                if found.selection.enabled and not found.plugins.permits(name):
                    raise SelectionError(f"syncfree: {found.selection.plugins_source} excludes plugin {name!r}")
                extended = with_plugins(found, registered)
            with self._locks.state:
                if self._registered is before and self._discovered is found:
                    self._registered = registered
                    if found is not None:
                        self._discovered = extended
                    return

    def forget(self) -> None:
        """Make the next use read the user's choices and discover plugins again; adapters and registered plugins stay."""
        self._discovered = None
