"""The waits inside the host code of CUDA kernels; those of C++ composites occur in the kernels that they call.

From ATen's CUDA sources, and as PyTorch 2.13's own code waits in the dry run; the calibration program compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .._record import Kind
from ._ordering import host_waits

_READS: dict[str, tuple[Kind, int]] = {
    "_local_scalar_dense": (Kind.ITEM, 1),
    **dict.fromkeys(
        ("nonzero", "masked_select", "_unique", "_unique2", "unique_consecutive", "equal", "_ctc_loss"), (Kind.DATA_SHAPE, 1)
    ),
    **dict.fromkeys(("bincount", "segment_reduce", "unique_dim_consecutive"), (Kind.DATA_SHAPE, 2)),
    "unique_dim": (Kind.DATA_SHAPE, 3),
    # Solvers read `info`; cuSOLVER's Jacobi methods read how they ended, too.
    **dict.fromkeys(("_linalg_eigh", "linalg_eig", "_linalg_eigvals", "linalg_lstsq"), (Kind.WAIT, 1)),
    "_linalg_svd": (Kind.WAIT, 2),
    "linalg_matrix_exp": (Kind.DATA_SHAPE, 1),  # at least: its degree depends on norms
}
_FILLS = {"masked_fill_", "masked_fill", "index_fill_", "index_fill"}


def note(op: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Record the waits of one kernel call.

    Args:
        name: the operator's name without namespace and overload.
    """
    if name == "unique_consecutive" and (kwargs.get("dim") is not None or (len(args) > 3 and args[3] is not None)):
        name = "unique_dim_consecutive"
    found = _READS.get(name)
    if found is not None:
        _wait(found[0], found[1], op, args)
    elif name == "repeat_interleave" and kwargs.get("output_size") is None:
        _wait(Kind.DATA_SHAPE, 2, op, args)
    elif name == "histc":
        lowest, highest = (args[index] if len(args) > index else kwargs.get(key, 0) for index, key in ((2, "min"), (3, "max")))
        if lowest == highest:  # the limits are the data's
            _wait(Kind.DATA_SHAPE, 2, op, args)
    elif name == "searchsorted" and kwargs.get("sorter") is not None:
        _wait(Kind.ITEM, 2, op, args)
    elif name == "normal" and len(args) > 1 and isinstance(args[1], torch.Tensor):
        _wait(Kind.ITEM, 1, op, args)  # is any standard deviation negative?
    elif name == "where":
        for operand in args[1:3]:  # a 0-dim CPU operand is uploaded
            if isinstance(operand, torch.Tensor) and not operand.is_cuda:
                host_waits(Kind.H2D, op._schema.name, operand.shape)
    elif name in _FILLS:
        if isinstance(args[-1], torch.Tensor) and args[-1].is_cuda:  # value.item()
            host_waits(Kind.ITEM, op._schema.name, args[-1].shape)
    elif name == "_index_put_impl_":
        _index_put(op._schema.name, args[1], args[2], len(args) > 3 and bool(args[3]))


def _wait(kind: Kind, times: int, op: Any, args: Sequence[Any]) -> None:
    shape = next((value.shape for value in args if isinstance(value, torch.Tensor)), torch.Size())
    for _ in range(times):
        host_waits(kind, op._schema.name, shape)


def _index_put(op: str, indices: Sequence[torch.Tensor | None], values: torch.Tensor, accumulate: bool) -> None:
    present = [index for index in indices if index is not None]
    masks = [index for index in present if index.dtype in (torch.bool, torch.uint8)]
    on_device = all(index.is_cuda for index in present)
    if values.numel() == 1 and not values.is_cuda and not accumulate and len(masks) == len(present) and on_device:
        return  # canDispatchToMaskedFill: masked_fill_ with a number
    for operand in (values, *present):
        if not operand.is_cuda and not any(operand is mask for mask in masks):  # a mask becomes a pinned index
            host_waits(Kind.H2D, op, operand.shape)
    for mask in masks:
        if mask.is_cuda:
            host_waits(Kind.DATA_SHAPE, op, mask.shape)
