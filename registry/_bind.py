"""Putting slots in the place of targets, and taking them out again."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ._errors import BindingError
from ._fingerprint import FunctionRecord, fingerprint
from ._slot import Slot
from .adapting import Binding, Compose, Form


@dataclass
class Site:
    """One target in a loaded module, with a slot in its place.

    Attributes:
        owner: the class or module that holds the target.
        original: the raw attribute, as found in the owner's ``__dict__`` (a staticmethod or classmethod object, too).
        placed: the raw attribute that was put there.
        copies: modules and names where ``from x import y`` had put the original, now holding the bound function.
    """

    target: str
    owner: Any
    name: str
    original: Any
    placed: Any
    slot: Slot
    copies: list[tuple[ModuleType, str]] = field(default_factory=list)


def make_sites(binding: Binding, form: Form, module_of: Callable[[str], ModuleType]) -> list[Site]:
    """Check every live target of a binding and make its slot; nothing is put in place yet.

    Raises:
        BindingError: a target is not the function that the module's source defines, because somebody replaced it.
    """
    if form.compose is None:
        raise BindingError(f"{binding.label}: the adapter has no replacement for {form.releases}")
    return [
        _make_site(target, compose, module_of(target), binding)
        for target, compose in zip(binding.targets, form.compose, strict=True)
    ]


def put(sites: Iterable[Site]) -> None:
    """Put every site's bound function in its target's place."""
    for site in sites:
        setattr(site.owner, site.name, site.placed)


def propagate(sites: Iterable[Site], modules: Iterable[str]) -> None:
    """Replace copies of the originals that ``from x import y`` made, in one walk over these modules.

    Only module globals are reached; what holds a copy elsewhere (dictionaries, partials, default arguments, bound
    methods kept on instances) is listed per target by ``syncfree.holders``.
    """
    by_original = {id(site.original): site for site in sites if isinstance(site.owner, ModuleType)}
    if not by_original:
        return
    for module, name, value in _globals(modules):
        site = by_original.get(id(value))
        if site is not None and not (module is site.owner and name == site.name):
            setattr(module, name, site.placed)
            site.copies.append((module, name))


def take_out(sites: Iterable[Site]) -> list[str]:
    """Put every original back, everywhere; return what could not be restored because somebody patched over it."""
    sites = list(sites)
    left = []
    for site in sites:
        if vars(site.owner).get(site.name) is site.placed:
            setattr(site.owner, site.name, site.original)
        else:
            left.append(f"{site.target} was replaced again after syncfree bound it")
        site.slot.prepare(None)()  # whoever still holds the bound function gets upstream
    by_placed = {id(site.placed): site for site in sites}
    for module, name, value in _globals(tuple(sys.modules)):
        site_of_copy = by_placed.get(id(value))
        if site_of_copy is not None:
            setattr(module, name, site_of_copy.original)
    return left


def package_modules(package: str) -> list[str]:
    """The loaded modules of a package."""
    return [name for name in tuple(sys.modules) if name == package or name.startswith(f"{package}.")]


def _globals(modules: Iterable[str]) -> Iterable[tuple[ModuleType, str, Any]]:
    for module_name in modules:
        module = sys.modules.get(module_name)
        if isinstance(module, ModuleType):
            # A copy: another thread may be importing into this module right now.
            yield from ((module, name, value) for name, value in list(vars(module).items()))


def _make_site(target: str, compose: Compose, module: ModuleType, binding: Binding) -> Site:
    owner: Any = module
    *path, name = target.split(":")[1].split(".")
    for part in path:
        owner = vars(owner).get(part)
        if owner is None:
            raise BindingError(f"{binding.label}: {target} is not in the loaded module")
    raw = vars(owner).get(name)
    if raw is None:
        raise BindingError(f"{binding.label}: {target} is not in the loaded module")
    function = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
    _refuse_replaced(function, target, module, binding)
    slot = Slot(function, compose, traced=binding.compiled)
    placed = type(raw)(slot.bound) if isinstance(raw, (staticmethod, classmethod)) else slot.bound
    return Site(target, owner, name, raw, placed, slot)


def _refuse_replaced(function: Any, target: str, module: ModuleType, binding: Binding) -> None:
    """Raise `BindingError` unless the live function is the one that the module's source defines at that place."""
    slot = getattr(function, "_syncfree_slot", None)
    if slot is not None:
        raise BindingError(f"{binding.label}: {target} is already bound by syncfree")
    record = _source_record(module, target)
    inner = function
    hops = 0
    while hops < record.decorators and hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
        hops += 1
    code = getattr(inner, "__code__", None)
    if code is not None and inspect.isfunction(inner):
        if _same_file(code.co_filename, module.__file__) and code.co_firstlineno in record.lines:
            return
        where = f"{code.co_filename}:{code.co_firstlineno}"
    else:
        where = f"a {type(inner).__module__}.{type(inner).__qualname__}"
    owner = getattr(inner, "__module__", None) or type(inner).__module__
    raise BindingError(
        f"{binding.label}: {target} was already replaced by {owner} ({where}); two patches of one target are refused. "
        f"Remove that patch, or set SYNCFREE_{binding.hook.upper()}=upstream"
    )


def _source_record(module: ModuleType, target: str) -> FunctionRecord:
    record = None
    if module.__file__ is not None:
        record = fingerprint(Path(module.__file__).read_text("utf-8"), target.split(":")[1])
    if record is None:
        raise BindingError(f"{target}: its source is not in {module.__file__}")
    return record


def _same_file(a: str, b: str | None) -> bool:
    return b is not None and (a == b or Path(a).resolve() == Path(b).resolve())
