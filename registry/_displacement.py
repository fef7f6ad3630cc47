"""Detect that a bound target was changed by other code. Checked when a plan is read or a choice changes, never per call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._errors import BindingError
from ._live_function import METHODS, Source, find
from ._namespace import class_name, globals_of, is_module
from ._patch_owner import described
from ._slot import behind

if TYPE_CHECKING:
    from ._patch import Patch

AGAIN = "syncfree.restore() and syncfree.load() bind it again"


class Displaced(NamedTuple):
    """The state of a bound target that other code changed, as in the plan, and a sentence that explains it."""

    state: Literal["replaced", "reloaded", "unloaded", "restored"]
    why: str


def displaced(patch: Patch) -> Displaced | None:
    """Compare a target with what was assigned to it; None when nothing has changed."""
    name = patch.target.module
    module = sys.modules.get(name)
    if module is None:
        return Displaced("unloaded", f"{name} left sys.modules after syncfree bound {patch.target}; {AGAIN}")
    if module is not patch.module:
        return _instead(module, name, patch)
    try:
        owner, raw = find(module, patch.target)
    except BindingError as error:
        return Displaced("replaced", f"{error}, since syncfree bound it")
    bound = patch.slot.bound
    if raw is patch.placed and bound.__code__ is patch.slot.code:
        return None
    if raw is patch.original:
        return Displaced("restored", f"{patch.target}: other code restored the original after syncfree bound it")
    if behind(raw)[-1] is not raw:
        return Displaced("restored", f"{patch.target}: other code put back an earlier binding's function, which calls upstream")
    if raw is not patch.placed and _is_sources(raw, owner, patch):
        return Displaced("reloaded", f"{name} was reloaded after syncfree bound {patch.target}; {AGAIN}")
    who = described(raw.__func__ if type(raw) in METHODS else raw, module)
    return Displaced("replaced", f"{patch.target} was replaced by {who} after syncfree bound it")


def _instead(other: object, name: str, patch: Patch) -> Displaced:
    """Return the binding's state when ``sys.modules`` holds another object in place of the module that was bound."""
    if is_module(other) and globals_of(other).get("__file__") == globals_of(patch.module).get("__file__"):
        return Displaced("reloaded", f"{name} was imported again after syncfree bound {patch.target}; {AGAIN}")
    return Displaced("replaced", f"{name} was replaced by a {class_name(type(other))} after syncfree bound {patch.target}")


def _is_sources(raw: object, owner: object, patch: Patch) -> bool:
    try:
        source = Source.of(patch.module, patch.target.module)
        return source.function_in(raw, owner, patch.target.qualname, patch.wrapped_by) is not None
    except BindingError:
        return False  # without its source, a reloaded function cannot be distinguished from a patch
