"""Waits that PyTorch leaves out while a dispatch mode is on, which an audit has on and the program by itself has not.

The backward passes named here look at values of the device to choose the faster of two ways. Under a mode they take the one that
suits any tensor, without looking (``at::isTensorSubclassLike``). ``nox -s dry_run_sweep`` compares with a run without a mode.
"""

from __future__ import annotations

import threading
from typing import Any

import torch

from ._events import Kind
from ._record import is_active, record

_LOOKS = {
    "ProdBackward0": (Kind.DATA_SHAPE, "aten::nonzero", "aten::view"),
    "ProdBackward1": (Kind.ITEM, "aten::_local_scalar_dense", ""),
    "CumprodBackward0": (Kind.ITEM, "aten::_local_scalar_dense", "aten::eq"),
    "MaskedFillBackward1": (Kind.DATA_SHAPE, "aten::masked_select", "aten::where"),
}
"""By node of autograd: the wait, and an operator that shows that the node would look; where that is empty, any does."""


class _Local(threading.local):
    node: tuple[str, int] | None = None


_seen = _Local()


def note(name: str, args: tuple[Any, ...]) -> None:
    """Record the wait that the running node of autograd leaves out, once for each run of the node."""
    node = torch._C._current_autograd_node()
    if node is None or node.name() not in _LOOKS:
        _seen.node = None
        return
    identity = node.name(), node._sequence_nr()
    kind, op, instead_of = _LOOKS[identity[0]]
    operand = args[0] if args else None
    if _seen.node == identity or (instead_of and name != instead_of) or not isinstance(operand, torch.Tensor) or not operand.is_cuda:
        return
    _seen.node = identity
    if is_active():
        record(kind, op, shape=tuple(operand.shape))
