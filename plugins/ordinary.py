"""The tensors that an implementation answers for; the rest is upstream's, whose error or result is then the right one.

Implementations were compared with upstream on plain dense tensors of the host and of CUDA devices. A subclass, a fake, sparse
or quantized tensor, ``meta`` and other accelerators were not, so they are declined before anything is touched.
"""

from __future__ import annotations

import math
from ctypes import string_at
from typing import Any

import torch

_functorch_is_active = torch._C._are_functorch_transforms_active
_modes = torch._C._len_torch_dispatch_stack
_Mode = torch._C._TorchDispatchModeKey
_TRACING = (_Mode.FAKE, _Mode.PROXY, _Mode.FUNCTIONAL)


def is_ordinary(value: Any) -> bool:
    """Return whether a value is a plain dense tensor on the host or on a CUDA device."""
    return type(value) is torch.Tensor and value.layout is torch.strided and (value.is_cpu or value.is_cuda)


def is_traced() -> bool:
    """Return whether a functorch transform or tracing is under way, whose tensors have no values, and are void outside of it."""
    if _functorch_is_active() or torch.compiler.is_compiling():
        return True
    return bool(_modes()) and any(torch._C._get_dispatch_mode(mode) is not None for mode in _TRACING)


def may_be_kept(tensor: torch.Tensor) -> bool:
    """Return whether what is computed now, where `tensor` is, may serve later calls.

    Not what is traced; nor while this thread captures a CUDA graph: what it computes has no value before the graph is replayed.
    """
    return not is_traced() and not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def content(tensor: torch.Tensor) -> bytes:
    """The bytes of a tensor on the host, as they are now: a write through numpy leaves no trace in a tensor's version."""
    if tensor.is_contiguous() and not tensor.is_neg():
        return string_at(tensor.data_ptr(), tensor.nbytes)  # a tenth of what numpy().tobytes() costs
    return tensor.resolve_neg().numpy().tobytes()


def survives_flushing(values: torch.Tensor, *, products: bool = False) -> bool:
    """Return whether scalars computed from values on the host are the same with and without `torch.set_flush_denormal`.

    That is a setting of each thread, and torch does not say how it is set.

    Args:
        values: float32 or float64.
        products: also scalars in which up to four values are multiplied, or their differences, which may be one last bit.
    """
    # As integers: where numbers are flushed, a comparison of floats takes a sub-normal one for zero.
    is_single = values.dtype is torch.float32
    small, large = (1e-30, 1e30) if is_single else (1e-290, 1e290)
    if products:
        small, large = 1e-5, 1e5
    whole = torch.int32 if is_single else torch.int64
    limits = torch.tensor([small, large, math.inf], dtype=values.dtype, device="cpu").view(whole)
    sizes = values.view(whole) & torch.iinfo(whole).max
    least, most, infinite = limits.tolist()
    return not bool((((sizes < least) & (sizes > 0)) | ((sizes > most) & (sizes <= infinite))).any())
