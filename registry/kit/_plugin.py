"""The plugin to check, and which checks apply to each of its hooks. Runs in the kit's own processes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from .._adapters import Adapters
from .._entry_points import find
from .._errors import PluginError, SelectionError, attributed_to, nearest, unknown_hook
from .._hook import PROJECT, declaration_of
from .._marked_functions import marked_by
from .._plugins import Implementation
from ..hooks import HOOKS
from ._checks import CHECKS
from ._upstream import targets_of


def implementations_of(wanted: str) -> dict[str, Implementation]:
    """Return the implementations of a plugin by hook, in the order of the catalogue; their signatures are not checked yet.

    Args:
        wanted: an installed plugin's name, or ``"package.module:object"``: a plugin, or one marked function.

    Raises:
        SelectionError: no such plugin is installed.
        PluginError: it cannot be imported, it marks no function, or one for an unknown hook.
    """
    plugin, name, distribution = _imported(wanted) if ":" in wanted else _installed(wanted)
    found: dict[str, Callable[..., Any]]
    if callable(plugin) and hasattr(plugin, "syncfree_declaration"):
        found = {_hook_of(plugin): plugin}
    else:
        found = marked_by(plugin, HOOKS, repr(name))
    if not found:
        raise PluginError(f"plugin {name!r} implements no hook: mark its functions with @syncfree.hookimpl")
    unknown = [hook for hook in found if hook not in HOOKS]
    if unknown:
        raise PluginError(f"plugin {name!r}: {unknown_hook(unknown[0], HOOKS)}")
    return {
        hook: Implementation(HOOKS[hook], name, distribution, declaration_of(found[hook]), found[hook])
        for hook in HOOKS
        if hook in found
    }


def inapplicable(implementation: Implementation) -> dict[str, str]:
    """Return the checks that say nothing about an implementation, each with the reason."""
    hook, declared = implementation.hook, implementation.declaration
    return dict(_inapplicable(implementation, hook.pure or bool(hook.writes), declared.exact, declared.host_syncs))


def _inapplicable(found: Implementation, protects: bool, exact: bool, host_syncs: int | None) -> Iterator[tuple[str, str]]:
    if not exact:
        yield "exact", "it is not declared exact"
    if not protects:
        yield "unchanged", "the contract lets a call change its arguments"
    if host_syncs is None:
        yield "waits", "it declares no number of host syncs"
    if not targets_of(found.hook.name):
        yield "upstream", "no installed framework has a function that takes the contract's call"
    if found.hook.name not in _compiled_hooks():
        yield "compiled", "no adapter binds the hook in code that a framework compiles"
    if found.lockstep:
        yield "threads", "the calls of a group are one after the other"
        yield "device", "its exchange is tested on the host"
        yield "poison", "its exchange is tested on the host"
    if found.hook.on_rank is None:
        yield from ((name, "it exchanges nothing between ranks") for name in ("ranks_2", "ranks_4"))
    if found.missing():
        reason = f"it needs {', '.join(found.missing())}, which this machine lacks"
        yield from ((name, reason) for name, check in CHECKS.items() if check.where == "host" and name != "signature")


def _compiled_hooks() -> set[str]:
    """Return the hooks that an installed adapter binds in code that its framework compiles."""
    return {binding.hook for adapter in Adapters().discover() for binding in adapter.bindings if binding.in_compiled_code}


def _imported(path: str) -> tuple[object, str, str | None]:
    module, _, name = path.partition(":")
    with attributed_to(f"{path!r} cannot be imported"):
        value: object = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    return value, path, None


def _installed(name: str) -> tuple[object, str, str | None]:
    points = {point.name: point for point in find(PROJECT).points}
    if name not in points:
        raise SelectionError(f"no plugin {name!r} is installed{nearest(name, points)}; or name package.module:object")
    point = points[name]
    with attributed_to(f"plugin {name!r} of {point.distribution} cannot be loaded"):
        return point.load(), name, point.distribution


def _hook_of(function: object) -> str:
    options = getattr(function, f"{PROJECT}_impl", {})
    return str(options.get("specname") or getattr(function, "__name__", function))
