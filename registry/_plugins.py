"""Discovery and validation of plugins.

A plugin is a module or object whose `hookimpl`-marked functions implement hooks. It comes from the entry point group
``syncfree`` or from `syncfree.register`. One that cannot be loaded or validated is reported with its distribution and
left out; the others load.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from ._errors import PluginError, nearest
from ._hook import PROJECT, Declaration, Hook, declaration_of

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
        """All ranks must choose it together."""
        return self.hook.lockstep or self.declaration.lockstep

    def missing(self) -> tuple[str, ...]:
        """The declared needs that this process does not meet."""
        return tuple(need for need in self.declaration.needs if not _NEED_CHECKS[need]())

    def function(self) -> Callable[..., Any]:
        """The function to call, imported on first use when the plugin only named it.

        Raises:
            PluginError: it cannot be imported, or its signature is not the contract's.
        """
        path = self.declaration.implementation
        if path is None:
            return self.marked
        module, _, name = path.partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise PluginError(
                f"plugin {describe(self.plugin, self.distribution)} names {path!r} for {self.hook.name}, "
                f"which cannot be imported: {error}"
            ) from error
        check_signature(self.hook, function, describe(self.plugin, self.distribution))
        return function  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that was left out, and why."""

    name: str
    distribution: str | None
    reason: str

    def __str__(self) -> str:
        return f"plugin {describe(self.name, self.distribution)}: {self.reason}"


@dataclass
class Plugins:
    """The plugins of this process.

    ``implementations[hook][plugin]`` holds what was accepted, ``broken`` what was left out, ``denied`` the names that
    the user's selection keeps out (they are not even imported).
    """

    hooks: Mapping[str, Hook]
    allowed: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    implementations: dict[str, dict[str, Implementation]] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    distributions: dict[str, str | None] = field(default_factory=dict)
    manager: pluggy.PluginManager = field(init=False)

    def __post_init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        specs = ModuleType(f"{PROJECT}.hookspecs")
        vars(specs).update({name: hook.spec for name, hook in self.hooks.items()})
        self.manager.add_hookspecs(specs)

    def permits(self, name: str) -> bool:
        """Whether the selection lets a plugin of this name in."""
        return name not in self.denied and (not self.allowed or name in self.allowed)

    def discover(self) -> None:
        """Load every permitted plugin of the entry point group ``syncfree``; report the broken ones."""
        for name, distribution, entry_point in entry_points():
            if name in self.distributions:
                self._leave_out(name, distribution, f"the name is taken by {self.distributions[name] or 'the program'}")
            elif self.permits(name):
                try:
                    self.register(entry_point.load(), name, distribution)
                except PluginError as error:
                    # Its message begins with whose it is, which a report says itself.
                    whose = f"plugin {describe(name, distribution)}"
                    self._leave_out(name, distribution, str(error).removeprefix(whose).lstrip(": "))
                except Exception as error:  # noqa: BLE001 - third-party import code may raise anything; it is reported, not hidden
                    self._leave_out(name, distribution, f"{type(error).__name__}: {error}")

    def register(self, plugin: object, name: str, distribution: str | None = None) -> None:
        """Validate one plugin and take its implementations in.

        Raises:
            PluginError: the name is taken or reserved, a hook is unknown, a signature is not the contract's, or the
                plugin implements nothing. Nothing of it is kept then.
        """
        who = describe(name, distribution)
        if name in RESERVED or not name.isidentifier():
            raise PluginError(f"plugin {who}: {name!r} cannot be a plugin's name")
        if name in self.distributions:
            raise PluginError(f"plugin {who}: the name is taken by {self.distributions[name] or 'the program'}")
        try:
            self.manager.register(plugin, name)
            found = self._collect(plugin, name, distribution)
        except pluggy.PluginValidationError as error:
            self._forget(plugin, name)
            raise PluginError(f"plugin {who}: {error}") from error
        except PluginError:
            self._forget(plugin, name)
            raise
        self.distributions[name] = distribution
        for implementation in found:
            self.implementations.setdefault(implementation.hook.name, {})[name] = implementation

    def candidates(self, hook: str) -> Iterable[Implementation]:
        """A hook's implementations in the order in which a default is looked for.

        First the plugins that ``SYNCFREE_PLUGINS`` names, in that order; then ours; then the others by name.
        """

        def rank(name: str) -> tuple[int, str]:
            if name in self.allowed:
                return (self.allowed.index(name), name)
            return (len(self.allowed) + (name != BUILT_IN), name)

        found = self.implementations.get(hook, {})
        return [found[name] for name in sorted(found, key=rank)]

    def _collect(self, plugin: object, name: str, distribution: str | None) -> list[Implementation]:
        who = describe(name, distribution)
        found = []
        for caller in self.manager.get_hookcallers(plugin) or []:
            if caller.name not in self.hooks:
                raise PluginError(f"plugin {who}: unknown hook {caller.name!r}{nearest(caller.name, self.hooks)}")
            hook = self.hooks[caller.name]
            marked = next(impl.function for impl in caller.get_hookimpls() if impl.plugin is plugin)
            check_signature(hook, marked, who)
            found.append(Implementation(hook, name, distribution, declaration_of(marked), marked))
        if not found:
            raise PluginError(
                f"plugin {who} implements no hook: mark its functions with @syncfree.hookimpl and name them after a hook "
                f"({', '.join(self.hooks)})"
            )
        return found

    def _forget(self, plugin: object, name: str) -> None:
        # pluggy keeps the name of a plugin whose registration failed, so unregister() alone is not enough.
        if self.manager.get_plugin(name) is plugin:
            self.manager.unregister(plugin)

    def _leave_out(self, name: str, distribution: str | None, reason: str) -> None:
        self.broken.append(BrokenPlugin(name, distribution, reason))


def entry_points() -> list[tuple[str, str | None, Any]]:
    """The installed plugins as (name, "distribution version", entry point); ours first, so that nobody takes its name."""
    from importlib.metadata import entry_points as installed

    found = []
    for point in installed(group=PROJECT):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else None
        found.append((point.name, distribution, point))
    return sorted(found, key=lambda item: (not (item[1] or "").startswith(f"{PROJECT} "), item[0]))


def describe(name: str, distribution: str | None) -> str:
    """A plugin with its origin, for messages."""
    return f"{name!r} of {distribution}" if distribution else f"{name!r}"


def check_signature(hook: Hook, function: Callable[..., Any], who: str) -> None:
    """Raise `PluginError` unless the function takes exactly the contract's parameters, in order, by position."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise PluginError(f"plugin {who}: {hook.name} has no signature that can be read: {error}") from error
    names = tuple(p.name for p in parameters)
    positional = all(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    if names != hook.parameters or not positional:
        raise PluginError(
            f"plugin {who}: {hook.name}({', '.join(map(str, parameters))}) is not the contract "
            f"{hook.name}({', '.join(hook.parameters)})"
        )


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _cuda() -> bool:
    if not _importable("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _one_node() -> bool:
    world, local = os.environ.get("WORLD_SIZE"), os.environ.get("LOCAL_WORLD_SIZE")
    return world is None or local is None or world == local


_NEED_CHECKS: dict[str, Callable[[], bool]] = {
    "torch": lambda: _importable("torch"),
    "triton": lambda: _importable("triton"),
    "cuda": _cuda,
    "one_node": _one_node,
}
