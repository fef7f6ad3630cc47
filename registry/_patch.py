"""Putting slots in the place of targets, and taking them out again."""

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
    """One target in a loaded module, with a slot in its place.

    Attributes:
        slot: what the bound function calls.
        stale: what earlier bindings had put there and could not take out, because somebody had patched over it.
        copies: modules and names where ``from x import y`` had put the original, now holding the bound function.
        noticed: what had become of it when it was last looked at.
    """

    slot: Slot
    stale: tuple[Any, ...] = ()
    copies: list[tuple[ModuleType, str]] = field(default_factory=list)
    noticed: Displaced | None = None

    def is_out(self) -> bool:
        """Whether the original is back, or what was put there cannot come back."""
        gone = displaced(self)
        return gone is not None and gone.state != "replaced"


def make_patches(binding: Binding, form: Form) -> list[Patch]:
    """Check every live target of a binding and make its slot; nothing is put in place yet, and nothing has changed.

    Raises:
        BindingError: a target is not the function that the module's source defines, because somebody replaced it, or it
            is of a kind whose properties a binding would lose.
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
            patches.append(_make_patch(parsed, compose, sources[parsed.module], binding))
    except BindingError as error:
        raise BindingError(f"{binding.label}: {error}") from error
    return patches


def put(patches: Iterable[Patch]) -> None:
    """Put every site's bound function in its target's place."""
    for patch in patches:
        patch.put()


def propagate(patches: Iterable[Patch], modules: Iterable[str]) -> None:
    """Replace copies of the originals that ``from x import y`` made, in one walk over these modules.

    Only module globals are reached; what holds a copy elsewhere (dictionaries, partials, default arguments, bound
    methods kept on instances) is listed per target by ``syncfree.holders``.
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
    """Put every original back, everywhere; return what could not be restored because somebody patched over it."""
    patches = list(patches)
    left = []
    for patch in patches:
        if patch.take_out():
            pass
        elif (earlier := behind(patch.current)[-1]) is not patch.current:
            patch.put_back(earlier)
        elif (gone := displaced(patch)) is not None and gone.state == "replaced":
            left.append(gone.why)
        patch.slot.retire()  # whoever still holds the bound function gets upstream
    by_placed = {id(patch.placed): patch for patch in patches}
    for module, name, value in _globals(tuple(sys.modules)):
        patch_of_copy = by_placed.get(id(value))
        if patch_of_copy is not None:
            globals_of(module)[name] = patch_of_copy.original
    return left


def observe(patches: Iterable[Patch], log: Log) -> Displaced | None:
    """What became of these sites together, None while all are in place; each change is logged once, as a warning."""
    found = []
    for patch in patches:
        gone = displaced(patch)
        if gone is not None:
            found.append(gone)
            if patch.noticed != gone:
                log.warning("syncfree: %s", gone.why)
        patch.noticed = gone
    return Displaced(found[0].state, "; ".join(gone.why for gone in found)) if found else None


def package_modules(package: str) -> list[str]:
    """The loaded modules of a package."""
    return [name for name in tuple(sys.modules) if name == package or name.startswith(f"{package}.")]


def _globals(modules: Iterable[str]) -> Iterable[tuple[ModuleType, str, Any]]:
    for module_name in modules:
        module: Any = sys.modules.get(module_name)
        if is_module(module):
            # A copy: another thread may be importing into this module right now.
            yield from ((module, name, value) for name, value in list(globals_of(module).items()))


def _make_patch(target: Target, compose: Compose, source: Source, binding: Binding) -> Patch:
    owner, raw = find(source.module, target)
    *stale, original = behind(raw)
    if slot_of(original) is not None:
        raise BindingError(f"{target} is already bound by syncfree")
    function = original.__func__ if type(original) in METHODS else original
    inside = source.function_in(original, owner, target.qualname)
    if inside is None:
        raise BindingError(
            f"{target} was already replaced by {described(function, source.module)}; two patches of one target are refused. "
            f"Remove that patch, or set SYNCFREE_{binding.hook.upper()}=upstream"
        )
    if type(function) is not FunctionType:
        lost = ", ".join(name for name in dir(type(function)) if not name.startswith("_"))
        raise BindingError(f"{target} is a {class_name(type(function))}; a function in its place would not offer {lost}")
    slot = Slot(function, compose, traced=binding.compiled, source=inside)
    slot.original = original
    placed = slot.bound
    if type(original) in METHODS:
        placed = type(original)(slot.bound)
        vars(placed).update(vars(original))
    return Patch(target, source.module, owner, original, placed, slot, tuple(stale))
