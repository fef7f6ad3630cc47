"""The program's choices: one layer for each `syncfree.use`, the latest on top.

The end of a ``with`` block removes its own layer, whatever layers other threads have added on top of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence

from ._selection import Choice


class Layer:
    """The choices of one call of `syncfree.use`; ``owner`` is the object that can take them back."""

    __slots__ = ("_owner", "choices")

    def __init__(self, choices: Mapping[str, Choice], owner: object) -> None:
        self.choices = dict(choices)
        self._owner = weakref.ref(owner)

    @property
    def permanent(self) -> bool:
        """The layer cannot be taken back any more: the object that could has been garbage collected."""
        return self._owner() is None

    def belongs_to(self, owner: object) -> bool:
        """Return whether this object can take the layer back."""
        return self._owner() is owner


class Layers:
    """An immutable stack of layers."""

    __slots__ = ("_stack",)

    def __init__(self, stack: Sequence[Layer] = ()) -> None:
        self._stack = stack

    def choice(self, hook: str) -> Choice | None:
        """Return the choice of the topmost layer that names a hook; None when no layer does."""
        return next((layer.choices[hook] for layer in reversed(self._stack) if hook in layer.choices), None)

    def of(self, owner: object) -> Layer | None:
        """Return the topmost layer that an object can take back."""
        return next((layer for layer in reversed(self._stack) if layer.belongs_to(owner)), None)

    def with_layer(self, layer: Layer) -> Layers:
        """Return this stack with one more layer on top, without permanent layers that others hide completely."""
        named: set[str] = set()
        kept: list[Layer] = []
        for below in (layer, *reversed(self._stack)):
            if not (below.permanent and named.issuperset(below.choices)):
                kept.append(below)
            if below.permanent:
                named.update(below.choices)
        return Layers(kept[::-1])

    def without(self, layer: Layer) -> Layers:
        """Return this stack without a layer; the layer may be absent."""
        return Layers([other for other in self._stack if other is not layer])

    def __len__(self) -> int:
        return len(self._stack)
