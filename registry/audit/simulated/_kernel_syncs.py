"""The waits inside the host code of CUDA kernels; those of C++ composites occur in the kernels that they call.

From ATen's CUDA sources; the calibration program compares them with a real GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .._record import Kind
from ._ordering import host_waits

_READS = {
    "_local_scalar_dense": Kind.ITEM,
    **dict.fromkeys(
        (
            "nonzero",
            "masked_select",
            "_unique",
            "_unique2",
            "unique_dim",
            "unique_consecutive",
            "unique_dim_consecutive",
            "bincount",
            "equal",
            "histc",
            "mode",
            "_ctc_loss",
        ),
        Kind.DATA_SHAPE,
    ),
}
_FILLS = {"masked_fill_", "masked_fill", "index_fill_", "index_fill"}


def note(op: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Record the waits of one kernel call.

    Args:
        name: the operator's name without namespace and overload.
    """
    kind = _READS.get(name)
    if kind is not None:
        host_waits(kind, op._schema.name, args[0].shape)
    elif name == "repeat_interleave" and kwargs.get("output_size") is None:
        host_waits(Kind.DATA_SHAPE, op._schema.name, args[0].shape)
    elif name == "where":
        for operand in args[1:3]:  # a 0-dim CPU operand is uploaded
            if isinstance(operand, torch.Tensor) and not operand.is_cuda:
                host_waits(Kind.H2D, op._schema.name, operand.shape)
    elif name in _FILLS:
        if isinstance(args[-1], torch.Tensor) and args[-1].is_cuda:  # value.item()
            host_waits(Kind.ITEM, op._schema.name, args[-1].shape)
    elif name == "_index_put_impl_":
        _index_put(op._schema.name, args[1], args[2], len(args) > 3 and bool(args[3]))


def _index_put(op: str, indices: Sequence[torch.Tensor | None], values: torch.Tensor, accumulate: bool) -> None:
    present = [index for index in indices if index is not None]
    masks = [index for index in present if index.dtype in (torch.bool, torch.uint8)]
    if values.numel() == 1 and not values.is_cuda and not accumulate and len(masks) == len(present):
        return  # canDispatchToMaskedFill: masked_fill_ with a number
    for operand in (values, *present):
        if not operand.is_cuda:
            host_waits(Kind.H2D, op, operand.shape)
    for mask in masks:
        if mask.is_cuda:
            host_waits(Kind.DATA_SHAPE, op, mask.shape)
