"""The check against the real function of an installed framework, where its call is the contract's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from .._adapters import Adapters
from .._difference import difference
from .._errors import SyncfreeError, attributed_to, describe_error
from .._frameworks import Installed, find_installed
from .._target import parse
from ._calls import Call, Caller, Finding


def targets_of(hook: str) -> list[str]:
    """Return the functions of installed frameworks whose call is the hook's; reads source files and imports no framework."""
    return [target for installed, target in _bound(hook) if installed.source(parse(target).module) is not None]


def upstream(caller: Caller) -> Finding | None:
    """Fail when results or written arguments differ from those of a real function of an installed framework."""
    for target in targets_of(caller.hook.name):
        finding = _compared(caller, target, _function(target))
        if finding is not None:
            return finding
    return None


def _bound(hook: str) -> Iterator[tuple[Installed, str]]:
    for adapter in Adapters().discover():
        bindings = [binding for binding in adapter.bindings if binding.hook == hook and binding.same_call]
        installed = find_installed(adapter) if bindings else None
        if installed is not None:
            yield from ((installed, binding.targets[0]) for binding in bindings)


def _function(target: str) -> Callable[..., Any]:
    """Import a function of a framework; nothing is bound in this process.

    Raises:
        SyncfreeError: it cannot be imported here.
    """
    place = parse(target)
    with attributed_to(f"{target}, which is to be compared with, cannot be imported"):
        value: Any = importlib.import_module(place.module)
        for part in place.qualname.split("."):
            value = getattr(value, part)
    if not callable(value):
        raise SyncfreeError(f"{target} is not a function")
    return value  # type: ignore[no-any-return]


def _compared(caller: Caller, target: str, function: Callable[..., Any]) -> Finding | None:
    def problem(made: Call) -> str | None:
        if not made.is_answered:
            return None
        theirs = caller.fresh(made.before)
        try:
            expected = function(*theirs.values())
        except Exception as error:  # noqa: BLE001 - foreign code; the text says so
            return f"{target} raises {describe_error(error)}, which no call of the contract should make it do"
        found = difference(made.result, expected, caller.tolerance)
        for name in caller.hook.writes:
            found = found or difference(made.own[name], theirs[name], caller.tolerance, f"argument {name!r} afterwards")
        return f"not what {target} does: {found}" if found else None

    return caller.first_fault(problem)
