"""Values that belong to the content of tensors on the host, found again without reading the content into a key."""

from __future__ import annotations

import weakref
from typing import Any, Generic, NamedTuple, TypeVar

import torch

T = TypeVar("T")


class _Kept(NamedTuple):
    """A tensor when it was last looked at: where it lay, its memory, the bytes there, and what belongs to them."""

    tensor: weakref.ref[torch.Tensor]
    address: int
    memory: Any
    values: bytes
    found: Any


class FoundByContent(Generic[T]):
    """The values found for tensors by their `content`.

    A tensor that still lies where it lay and holds the same bytes is known by that, which takes a third of the time of making a
    key of them and finding it. Writes through numpy are seen, because the bytes are compared; not seen is ``data`` that is exchanged
    for a shorter part of itself.
    """

    def __init__(self) -> None:
        self._kept: dict[int, _Kept] = {}

    def get(self, tensor: torch.Tensor) -> T | None:
        """Return what is kept for a tensor as it is now; None if nothing is, or the tensor needs gradients."""
        kept = self._kept.get(id(tensor))
        if kept is None:
            return None
        known, address, memory, values, found = kept
        is_that = known() is tensor
        if is_that and not tensor.requires_grad and address == tensor.data_ptr() and memory.tobytes() == values:
            return found  # type: ignore[no-any-return]
        return None

    def keep(self, tensor: torch.Tensor, values: bytes, found: T) -> None:
        """Keep what belongs to a plain tensor on the host, whose content these values are."""
        if tensor.is_neg():
            return  # its memory holds other numbers than it does
        key, kept = id(tensor), self._kept

        def forget(reference: object) -> None:
            kept.pop(key, None)

        memory = tensor.detach().numpy()  # not of the tensor itself, which the array would keep alive
        reference = weakref.ref(tensor, forget)
        kept[key] = _Kept(reference, tensor.data_ptr(), memory, values, found)
