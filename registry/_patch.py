"""Replace targets by slots' bound functions, and restore them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from ._displacement import Displaced, displaced
from ._errors import BindingError
from ._live_function import METHODS, Source, find
from ._log import Log
from ._namespace import class_name, globals_of, is_module
from ._patch_owner import described
from ._placement import Placement
from ._slot import Slot, behind, slot_of
from ._target import Target, parse
from .adapting import Binding, Compose, Form


@dataclass
class Patch(Placement):
    """One target in a loaded module, with the slot that replaces it.

    Attributes:
        slot: what the bound function calls.
        stale: what earlier bindings had placed and could not remove, because other code had patched over it.
        copies: modules and names where ``from x import y`` had put the original, now holding the bound function.
        noticed: the change by other code that was last logged.
        wrapped_by: the function with which the module itself wraps the target; empty where it does not.
    """

    slot: Slot
    stale: tuple[Any, ...] = ()
    copies: list[tuple[ModuleType, str]] = field(default_factory=list)
    noticed: Displaced | None = None
    wrapped_by: str = ""

    def is_out(self) -> bool:
        """Return whether the original is back, or the bound function cannot come back."""
        change = displaced(self)
        return change is not None and change.state != "replaced"


def make_patches(binding: Binding, form: Form) -> list[Patch]:
    """Check every live target of a binding and make its slot; nothing is assigned yet.

    Raises:
        BindingError: a target is not the function that the module's source defines, because other code replaced it, or its
            type has attributes that a bound function would not have.
    """
    if form.compose is None:
        raise BindingError(f"{binding.label}: the adapter has no replacement for {form.releases}")
    sources: dict[str, Source] = {}
    patches = []
    try:
        for target, compose in zip(binding.targets, form.compose, strict=True):
            parsed = parse(target)
            if parsed.module not in sources:
                sources[parsed.module] = Source.of(sys.modules[parsed.module], parsed.module)
            patches.append(_make_patch(parsed, compose, sources[parsed.module], binding, form.wrapped_by))
    except BindingError as error:
        raise BindingError(f"{binding.label}: {error}") from error
    return patches


def put(patches: Iterable[Patch]) -> None:
    """Assign every bound function to its target."""
    for patch in patches:
        patch.put()


def propagate(patches: Iterable[Patch], modules: Iterable[str]) -> None:
    """Replace copies of the originals that ``from x import y`` made, in one walk over these modules.

    Only module globals are reached; ``syncfree.holders`` lists other copies of a target (in dictionaries, partials, default
    arguments, bound methods kept on instances).
    """
    of_modules = [patch for patch in patches if patch.owner is patch.module]
    by_original = {id(value): patch for patch in of_modules for value in (patch.original, *patch.stale)}
    if not by_original:
        return
    for module, name, value in _globals(modules):
        patch = by_original.get(id(value))
        if patch is not None and not (module is patch.owner and name == patch.target.name):
            globals_of(module)[name] = patch.placed
            patch.copies.append((module, name))


def take_out(patches: Iterable[Patch]) -> list[str]:
    """Restore every original and its copies; return what could not be restored because other code patched over it."""
    patches = list(patches)
    left = []
    for patch in patches:
        if patch.take_out():
            pass
        elif (earlier := behind(patch.current)[-1]) is not patch.current:
            patch.put_back(earlier)
        elif (change := displaced(patch)) is not None and change.state == "replaced":
            left.append(change.why)
        patch.slot.retire()  # remaining references to the bound function call upstream
    by_placed = {id(patch.placed): patch for patch in patches}
    for module, name, value in _globals(tuple(sys.modules)):
        patch_of_copy = by_placed.get(id(value))
        if patch_of_copy is not None:
            globals_of(module)[name] = patch_of_copy.original
    return left


def observe(patches: Iterable[Patch], log: Log) -> Displaced | None:
    """Return how other code changed these targets, None if it did not; each change is logged once, as a warning."""
    found = []
    for patch in patches:
        change = displaced(patch)
        if change is not None:
            found.append(change)
            if patch.noticed != change:
                log.warning("syncfree: %s", change.why)
        patch.noticed = change
    return Displaced(found[0].state, "; ".join(change.why for change in found)) if found else None


def package_modules(package: str) -> list[str]:
    """Return the loaded modules of a package."""
    return [name for name in tuple(sys.modules) if name == package or name.startswith(f"{package}.")]


def _globals(modules: Iterable[str]) -> Iterable[tuple[ModuleType, str, Any]]:
    for module_name in modules:
        module: Any = sys.modules.get(module_name)
        if is_module(module):
            # Iterate over a copy: another thread may be adding names to this module.
            yield from ((module, name, value) for name, value in list(globals_of(module).items()))


def _make_patch(target: Target, compose: Compose, source: Source, binding: Binding, wrapped_by: str) -> Patch:
    owner, raw = find(source.module, target)
    *stale, original = behind(raw)
    if slot_of(original) is not None:
        raise BindingError(f"{target} is already bound by syncfree")
    function = original.__func__ if type(original) in METHODS else original
    inside = source.function_in(original, owner, target.qualname, wrapped_by)
    if inside is None:
        raise BindingError(
            f"{target} was already replaced by {described(function, source.module)}; two patches of one target are refused. "
            f"Remove that patch, or set SYNCFREE_{binding.hook.upper()}=upstream"
        )
    if type(function) is not FunctionType:
        lost = ", ".join(name for name in dir(type(function)) if not name.startswith("_"))
        raise BindingError(f"{target} is a {class_name(type(function))}; a plain function would not have {lost}")
    slot = Slot(function, compose, source=inside)
    slot.original = original
    placed = slot.bound
    if type(original) in METHODS:
        placed = type(original)(slot.bound)
        vars(placed).update(vars(original))
    return Patch(target, source.module, owner, original, placed, slot, tuple(stale), wrapped_by=wrapped_by)
