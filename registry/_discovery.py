"""The user's selection and the plugins that it permits, as discovered in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ._plugins import Plugins
from ._select import check_plugin_names, read_selection
from ._selection import Selection
from .hooks import HOOKS


@dataclass(frozen=True, slots=True)
class Discovered:
    """Selection and plugins; ``names`` are those of all plugins that exist, permitted or not."""

    selection: Selection
    plugins: Plugins
    names: frozenset[str]


def discover(environ: Mapping[str, str], registered: Sequence[tuple[object, str]] = ()) -> Discovered:
    """Read the user's selection; load and validate the plugins that it permits.

    Args:
        environ: the environment variables.
        registered: plugins that the program registered, with their names.

    Raises:
        SelectionError: the environment or the configuration file names something that does not exist.
    """
    selection = read_selection(environ, HOOKS)
    plugins = _permitted(selection, registered)
    names = frozenset([*plugins.installed, *(name for _, name in registered)])
    check_plugin_names(selection, names, plugins.implementations)
    return Discovered(selection, plugins, names)


def with_plugins(found: Discovered, registered: Sequence[tuple[object, str]]) -> Discovered:
    """Return ``found`` with the plugins that the program registered after discovery; ``found`` is not changed.

    Raises:
        PluginError: see `Plugins.register`.
    """
    plugins = _permitted(found.selection, registered)
    return Discovered(found.selection, plugins, found.names | {name for _, name in registered})


def _permitted(selection: Selection, registered: Sequence[tuple[object, str]]) -> Plugins:
    plugins = Plugins(HOOKS, selection.allowed, selection.denied)
    for plugin, name in registered:
        if plugins.permits(name):
            plugins.register(plugin, name)
    plugins.discover()
    return plugins
