"""Is what was put in a target's place still there? Asked when a plan is read or a choice changes, never per call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._culprit import described
from ._errors import BindingError
from ._live import METHODS, Source, find
from ._namespace import class_name, globals_of, is_module
from ._slot import behind

if TYPE_CHECKING:
    from ._bind import Site

AGAIN = "syncfree.restore() and syncfree.load() bind it anew"


class Displaced(NamedTuple):
    """What became of a bound target: the plan's state for it, and a sentence."""

    state: Literal["replaced", "reloaded", "unloaded", "restored"]
    why: str


def displaced(site: Site) -> Displaced | None:
    """Compare what is at a site's target now with what was put there; None when nothing has changed."""
    name = site.target.split(":")[0]
    module = sys.modules.get(name)
    if module is None:
        return Displaced("unloaded", f"{name} left sys.modules after syncfree bound {site.target}; {AGAIN}")
    if module is not site.module:
        return _instead(module, name, site)
    try:
        owner, _, raw = find(module, site.target)
    except BindingError as error:
        return Displaced("replaced", f"{error}, since syncfree bound it")
    bound = site.slot.bound
    if raw is site.placed and bound.__code__ is site.slot.code:
        return None
    if raw is site.original:
        return Displaced("restored", f"{site.target}: somebody put the original back after syncfree bound it")
    if behind(raw)[-1] is not raw:
        return Displaced("restored", f"{site.target}: somebody put back what an earlier binding had left, which is upstream's")
    if raw is not site.placed and _is_sources(raw, owner, site):
        return Displaced("reloaded", f"{name} was reloaded after syncfree bound {site.target}; {AGAIN}")
    who = described(raw.__func__ if type(raw) in METHODS else raw, module)
    return Displaced("replaced", f"{site.target} was replaced by {who} after syncfree bound it")


def _instead(other: object, name: str, site: Site) -> Displaced:
    """What an object in sys.modules, which is not the module that was bound, makes of the binding."""
    if is_module(other) and globals_of(other).get("__file__") == globals_of(site.module).get("__file__"):
        return Displaced("reloaded", f"{name} was imported anew after syncfree bound {site.target}; {AGAIN}")
    return Displaced("replaced", f"{name} was replaced by a {class_name(type(other))} after syncfree bound {site.target}")


def _is_sources(raw: object, owner: object, site: Site) -> bool:
    try:
        source = Source.of(site.module, site.target.split(":")[0])
        return source.function_in(raw, owner, site.target.split(":")[1]) is not None
    except BindingError:
        return False  # its source is gone: what is there cannot be told from a patch
