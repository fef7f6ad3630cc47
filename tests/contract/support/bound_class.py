"""Bind an adapter's binding to a class of an unpacked release, with the real slots and without the rest of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from packaging.specifiers import SpecifierSet

from syncfree._hook import Declaration
from syncfree._plugins import Implementation
from syncfree._slot import Slot
from syncfree.adapting import Binding, Compose, Form
from syncfree.hooks import HOOKS

PLUGIN = "under_test"


def form_of(binding: Binding, release: str) -> Form:
    """The form of the binding that covers a release."""
    (form,) = (f for f in binding.forms if SpecifierSet(f.releases).contains(release, prereleases=True))
    return form


def switched_slot(
    upstream: FunctionType, compose: Compose, binding: Binding, function: Callable[..., Any]
) -> Slot:
    """Make the slot of one target, which calls an implementation in upstream's place."""
    slot = Slot(upstream, compose)
    slot.prepare(Implementation(HOOKS[binding.hook], PLUGIN, None, Declaration(), function))()
    return slot


@contextmanager
def bound(owner: type, binding: Binding, release: str, function: Callable[..., Any]) -> Iterator[dict[str, Slot]]:
    """Bind a binding's targets on `owner` to an implementation; yields the slots by the targets' method names."""
    form = form_of(binding, release)
    assert form.compose is not None
    slots: dict[str, Slot] = {}
    for target, compose in zip(binding.targets, form.compose, strict=True):
        name = target.rpartition(".")[2]
        slots[name] = switched_slot(vars(owner)[name], compose, binding, function)
    for name, slot in slots.items():
        setattr(owner, name, slot.bound)
    try:
        yield slots
    finally:
        for name, slot in slots.items():
            setattr(owner, name, slot.upstream)


def calls_and_declines(slots: dict[str, Slot]) -> tuple[int, int]:
    """Totals over all slots."""
    counts = [slot.counts()[PLUGIN] for slot in slots.values()]
    return sum(c.calls for c in counts), sum(c.declines for c in counts)
