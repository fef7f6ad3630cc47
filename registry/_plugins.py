"""Discovery and validation of plugins.

A plugin is a module or object whose `hookimpl`-marked functions implement hooks, or a table that `implementations` made. It
comes from the entry point group ``syncfree`` or from `syncfree.register`. One that cannot be loaded or validated, whatever it
raises, is reported with its distribution and left out; the others load.

pluggy declares hooks and implementations and validates plugins. No call goes through it: a bound target calls its slot.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from ._entry_points import Point, find
from ._errors import LONGEST, PluginError, attributed_to, one_line
from ._hook import PROJECT, Declaration, Hook, declaration_of
from ._implementations import Implementations
from ._import_guard import guarded
from ._marked_functions import check_signature, marked_by
from ._needs import NEED_CHECKS

__all__ = ["BrokenPlugin", "Implementation", "Plugins", "check_signature", "describe", "entry_points"]

BUILT_IN = "sync_free"
RESERVED = frozenset({"upstream", "default"})


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's function for one hook."""

    hook: Hook
    plugin: str
    distribution: str | None
    declaration: Declaration
    marked: Callable[..., Any]

    @property
    def lockstep(self) -> bool:
        """Return whether all ranks must choose it together."""
        return self.hook.lockstep or self.declaration.lockstep

    def missing(self) -> tuple[str, ...]:
        """Return the declared needs that this process does not meet."""
        return tuple(need for need in self.declaration.needs if not NEED_CHECKS[need]())

    def function(self) -> Callable[..., Any]:
        """Return the function to call, imported on first use when the plugin only named it.

        Raises:
            PluginError: importing it raises, whatever that is, or its signature is not the contract's.
        """
        path = self.declaration.implementation
        if path is None:
            return self.marked
        module, _, name = path.partition(":")
        who = describe(self.plugin, self.distribution)
        with attributed_to(f"plugin {who} names {path!r} for {self.hook.name}, which cannot be imported"), guarded():
            function = getattr(importlib.import_module(module), name)
        check_signature(self.hook, function, who)
        return function  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that was left out, with the reason in one line; without a name, a distribution with damaged metadata."""

    name: str | None
    distribution: str | None
    reason: str

    def __str__(self) -> str:
        subject = self.distribution if self.name is None else f"plugin {describe(self.name, self.distribution)}"
        return f"{subject}: {self.reason}"


@dataclass
class Plugins:
    """The plugins of this process.

    ``implementations[hook][plugin]`` holds what was accepted, ``broken`` what was left out, ``denied`` the names that
    the user's selection excludes (they are not even imported), ``installed`` every name that `discover` found.
    """

    hooks: Mapping[str, Hook]
    allowed: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    implementations: dict[str, dict[str, Implementation]] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    distributions: dict[str, str | None] = field(default_factory=dict)
    installed: set[str] = field(default_factory=set)
    manager: pluggy.PluginManager = field(init=False)

    def __post_init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        specs = ModuleType(f"{PROJECT}.hookspecs")
        vars(specs).update({name: hook.spec for name, hook in self.hooks.items()})
        self.manager.add_hookspecs(specs)

    def permits(self, name: str) -> bool:
        """Return whether the selection permits a plugin of this name."""
        return name not in self.denied and (not self.allowed or name in self.allowed)

    def discover(self) -> None:
        """Load every permitted plugin of the entry point group ``syncfree``; report what is broken.

        Raises:
            KeyboardInterrupt: raised while a plugin is imported; every other exception is reported.
        """
        found = find(PROJECT)
        self.broken += [BrokenPlugin(None, distribution, reason) for distribution, reason in found.damaged]
        self.installed |= {point.name for point in found.points}
        for point in found.points:
            if self.permits(point.name):
                self._take_in(point)

    def register(self, plugin: object, name: str, distribution: str | None = None) -> None:
        """Validate one plugin and add its implementations.

        Raises:
            PluginError: the name is taken or reserved, a hook is unknown, a hot path cannot call a function, a signature is
                not the contract's, the plugin implements nothing, or reading its attributes raises. Nothing is added then.
        """
        self._check_name(name, distribution)
        with attributed_to(f"plugin {describe(name, distribution)}"):
            found = self._validated(plugin, name, distribution)
        self.distributions[name] = distribution
        for implementation in found:
            self.implementations.setdefault(implementation.hook.name, {})[name] = implementation

    def candidates(self, hook: str) -> Iterable[Implementation]:
        """Return a hook's implementations in the order in which the default is chosen.

        First the plugins that ``SYNCFREE_PLUGINS`` allows, in that order; then by declared preference, highest first; of equal
        ones `BUILT_IN`, then by name.
        """
        found = self.implementations.get(hook, {})

        def rank(name: str) -> tuple[int, int, bool, str]:
            allowed = self.allowed.index(name) if name in self.allowed else len(self.allowed)
            return allowed, -found[name].declaration.preference, name != BUILT_IN, name

        return [found[name] for name in sorted(found, key=rank)]

    def default(self, hook: str) -> Implementation | None:
        """Return the implementation that a hook is bound with by default: the first exact candidate whose needs are met."""
        return next((one for one in self.candidates(hook) if one.declaration.exact and not one.missing()), None)

    def _take_in(self, point: Point) -> None:
        """Load and register the plugin of an entry point, or report why that failed."""
        who = f"plugin {describe(point.name, point.distribution)}"
        try:
            self._check_name(point.name, point.distribution)  # before anything is imported
            self.register(point.load(), point.name, point.distribution)
        except PluginError as error:
            # The message begins with the plugin, which the report prints itself.
            reason = one_line(error, 2 * LONGEST).removeprefix(who).lstrip(": ")
            self.broken.append(BrokenPlugin(point.name, point.distribution, reason))

    def _check_name(self, name: str, distribution: str | None) -> None:
        who = describe(name, distribution)
        if not isinstance(name, str) or name in RESERVED or not name.isidentifier():
            raise PluginError(f"plugin {who}: {name!r} cannot be a plugin's name")
        if name in self.distributions:
            raise PluginError(f"plugin {who}: the name is taken by {self.distributions[name] or 'the program'}")

    def _validated(self, plugin: object, name: str, distribution: str | None) -> list[Implementation]:
        who = describe(name, distribution)
        marked = marked_by(plugin, self.hooks, who)
        if not marked:
            raise PluginError(f"plugin {who} implements no hook: {_what_to_do(plugin, self.hooks)}")
        # pluggy gets a module of ours, never the plugin: it compares plugins with ``==`` and reads their attributes.
        stand_in = ModuleType(name)
        vars(stand_in).update(marked)
        try:
            self.manager.register(stand_in, name)
            for hook, function in marked.items():
                check_signature(self.hooks[hook], function, who)
        except pluggy.PluginValidationError as error:
            self._forget(stand_in, name)
            raise PluginError(f"plugin {who}: {one_line(error)}") from error
        except BaseException:
            self._forget(stand_in, name)
            raise
        return [
            Implementation(self.hooks[hook], name, distribution, declaration_of(function), function)
            for hook, function in marked.items()
        ]

    def _forget(self, stand_in: ModuleType, name: str) -> None:
        # Before 1.6, pluggy keeps the name of a plugin whose registration failed.
        if self.manager.get_plugin(name) is stand_in:
            self.manager.unregister(stand_in)


def entry_points() -> list[tuple[str, str | None, Point]]:
    """Return the installed plugins as (name, "distribution version", entry point); ours first, so that their names are safe."""
    return [(point.name, point.distribution, point) for point in find(PROJECT).points]


def _what_to_do(plugin: object, hooks: Iterable[str]) -> str:
    """Return the advice for a plugin that marks no function; its attributes have been read before."""
    for name in dir(plugin):
        if isinstance(inspect.getattr_static(plugin, name, None), Implementations):
            return f"its {name} is a plugin by itself: name 'module:{name}' as the entry point, or register that"
    return f"mark its functions with @syncfree.hookimpl and name them after a hook ({', '.join(hooks)})"


def describe(name: str, distribution: str | None) -> str:
    """Return a plugin with its origin, for messages."""
    return f"{name!r} of {distribution}" if distribution else f"{name!r}"
