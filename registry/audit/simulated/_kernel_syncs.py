"""The waits inside the host code of CUDA kernels; those of C++ composites occur in the kernels that they call.

From ATen's CUDA sources, and as PyTorch's own code waits in the dry run; the calibration program compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from packaging.version import Version

from .. import _rules
from .._events import Kind
from ._ordering import host_waits

_READS: dict[str, tuple[Kind, int]] = {
    "_local_scalar_dense": (Kind.ITEM, 1),
    **dict.fromkeys(("nonzero", "masked_select", "_unique", "_unique2"), (Kind.DATA_SHAPE, 1)),
    "bincount": (Kind.DATA_SHAPE, 2),
    # Solvers read `info`.
    **dict.fromkeys(("linalg_eig", "_linalg_eigvals"), (Kind.WAIT, 1)),
    "linalg_matrix_exp": (Kind.DATA_SHAPE, 1),  # at least: its degree depends on norms
    **dict.fromkeys(("_ctc_loss", "_ctc_loss_backward"), (Kind.H2D, 3)),  # the lengths and the offsets of the targets
}
_READS_IF_NOT_EMPTY: dict[str, tuple[Kind, int]] = {
    "cholesky": (Kind.ITEM, 1),
    "_linalg_eigh": (Kind.WAIT, 1),
    "linalg_ldl_solve": (Kind.WAIT, 1),
    "_linalg_svd": (Kind.WAIT, 2),  # cuSOLVER's Jacobi methods read how they ended, too
}
_CHECKS_DEVIATIONS = _rules.named("normal-with-device-deviations").holds(torch.__version__)
_STORES_A_NUMBER = _rules.named("store-into-0-dim").holds(torch.__version__)
_HAS_MAGMA_S_LU = Version(torch.__version__).release < (2, 15)
_FILLS = {"masked_fill_", "masked_fill", "index_fill_", "index_fill"}
_LARGEST_MODE_SLICE = 2048


def note(op: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Record the waits of one kernel call.

    Args:
        name: the operator's name without namespace and overload.
    """
    found = _READS.get(name)
    if found is None and name in _READS_IF_NOT_EMPTY and args[0].numel():
        found = _READS_IF_NOT_EMPTY[name]
    if found is None and name in _BY_OPERANDS:
        found = _BY_OPERANDS[name](args, kwargs)
    if found is not None:
        _wait(found[0], found[1], op, args)
    if name == "isin" and found is not None and _STORES_A_NUMBER:
        host_waits(Kind.H2D, op._schema.name, torch.Size())  # a number that is stored into an element
    elif name == "where":
        for operand in args[1:3]:  # a 0-dim CPU operand is uploaded
            if isinstance(operand, torch.Tensor) and not operand.is_cuda:
                host_waits(Kind.H2D, op._schema.name, operand.shape)
    elif name in _FILLS:
        if isinstance(args[-1], torch.Tensor) and args[-1].is_cuda:  # value.item()
            host_waits(Kind.ITEM, op._schema.name, args[-1].shape)
    elif name == "_index_put_impl_":
        _index_put(op._schema.name, args[1], args[2], len(args) > 3 and bool(args[3]))


_Found: TypeAlias = "tuple[Kind, int] | None"


def _value(args: Sequence[Any], kwargs: dict[str, Any], index: int, name: str, default: Any = None) -> Any:
    return args[index] if len(args) > index else kwargs.get(name, default)


def _repeat_interleave(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    return (Kind.DATA_SHAPE, 2) if kwargs.get("output_size") is None else None


def _histc(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    is_of_data = _value(args, kwargs, 2, "min", 0) == _value(args, kwargs, 3, "max", 0)
    return (Kind.DATA_SHAPE, 2) if is_of_data else None


def _equal(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    left, right = args[:2]
    if left.shape != right.shape or not left.numel():
        return None
    is_same = left.data_ptr() == right.data_ptr() and left.stride() == right.stride() and left.dtype == right.dtype
    return None if is_same else (Kind.DATA_SHAPE, 1)


def _unique_dim(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    return _of_unique_dim(3, _value(args, kwargs, 3, "return_inverse"), _value(args, kwargs, 4, "return_counts"))


def _unique_dim_consecutive(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    return _of_unique_dim(2, _value(args, kwargs, 2, "return_inverse"), _value(args, kwargs, 3, "return_counts"))


def _unique_consecutive(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    if _value(args, kwargs, 3, "dim") is None:
        return Kind.DATA_SHAPE, 1
    return _of_unique_dim(2, _value(args, kwargs, 1, "return_inverse"), _value(args, kwargs, 2, "return_counts"))


def _of_unique_dim(least: int, inverse: object, counts: object) -> _Found:
    return Kind.DATA_SHAPE, least + 3 * bool(inverse) + bool(counts)


def _searchsorted(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    sorter = kwargs.get("sorter")
    return (Kind.ITEM, 2) if sorter is not None and sorter.numel() else None


def _normal(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    """Is any standard deviation negative?"""
    return (Kind.ITEM, 1) if _CHECKS_DEVIATIONS and len(args) > 1 and isinstance(args[1], torch.Tensor) else None


def _segment_reduce(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    is_checked = kwargs.get("lengths") is not None and not _value(args, kwargs, 6, "unsafe", False)
    return (Kind.DATA_SHAPE, 2) if is_checked else None


def _lstsq(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    """Small batches are computed by one call of cuBLAS, which reports nothing."""
    matrix = args[0]
    if matrix.numel() == 0 or kwargs.get("driver") not in (None, "gels"):
        return None
    rows, batch = matrix.shape[-2], matrix.shape[:-2].numel()
    return None if rows <= 256 and batch >= max(2, rows // 16) else (Kind.WAIT, 1)


def _lu(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    """Before torch 2.15, MAGMA computes it of matrices that are not square."""
    is_magma_s = _HAS_MAGMA_S_LU and args[0].numel() and args[0].shape[-1] != args[0].shape[-2]
    return (Kind.WAIT, 3) if is_magma_s else None


def _mode(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    """Longer slices are sorted by Thrust, which waits at least so often, depending on the values."""
    dim = _value(args, kwargs, 1, "dim", -1)
    return (Kind.DATA_SHAPE, 11) if args[0].dim() and args[0].numel() and args[0].shape[dim] > _LARGEST_MODE_SLICE else None


def _isin(args: Sequence[Any], kwargs: dict[str, Any]) -> _Found:
    """Many test elements are sorted, and both sides made unique before."""
    elements, tested = args[0], args[1]
    if not isinstance(tested, torch.Tensor) or not (isinstance(elements, torch.Tensor) and elements.numel()):
        return None
    is_sorted = tested.numel() >= int(10 * elements.numel() ** 0.145)
    return (Kind.DATA_SHAPE, 0 if kwargs.get("assume_unique") else 2) if is_sorted else None


_BY_OPERANDS: dict[str, Callable[[Sequence[Any], dict[str, Any]], _Found]] = {
    "equal": _equal,
    "histc": _histc,
    "isin": _isin,
    "linalg_lstsq": _lstsq,
    "linalg_lu": _lu,
    "linalg_lu_factor_ex": _lu,
    "mode": _mode,
    "normal": _normal,
    "repeat_interleave": _repeat_interleave,
    "searchsorted": _searchsorted,
    "segment_reduce": _segment_reduce,
    "unique_consecutive": _unique_consecutive,
    "unique_dim": _unique_dim,
    "unique_dim_consecutive": _unique_dim_consecutive,
}


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
