"""CUDA tensors over host memory.

A tensor passes through a DLPack capsule with a rewritten device type: the result is a plain ``torch.Tensor`` on device
``cuda:0`` with the memory of the original.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch

_CPU, _CUDA = 1, 2  # DLDeviceType
_DEVICE_TYPE_OFFSET = 8  # DLTensor = {void* data; int32 device_type; int32 device_id; ...}

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_to_dlpack, _from_dlpack = torch._C._to_dlpack, torch._C._from_dlpack
_PASSED_AS_BYTES = {
    dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype) and str(dtype).startswith("torch.float8")
}
"""DLPack of torch 2.9 has no such formats."""


def host(tensor: torch.Tensor) -> torch.Tensor:
    """Return the CPU tensor on the memory of a CUDA tensor."""
    return _cast(tensor, _CPU)


def device(tensor: torch.Tensor) -> torch.Tensor:
    """Return the CUDA tensor on the memory of a CPU tensor."""
    return _cast(tensor, _CUDA)


def metadata_only(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a view operator's metadata kernel on the CUDA tensor itself, so that the result shares its storage."""
    before = torch._C._meta_in_tls_dispatch_include()
    torch._C._set_meta_in_tls_dispatch_include(True)
    try:
        return op(*args, **kwargs)
    finally:
        torch._C._set_meta_in_tls_dispatch_include(before)


def _cast(tensor: torch.Tensor, device_type: int) -> torch.Tensor:
    if tensor.is_conj():  # DLPack does not transfer the lazy bits
        return _cast(tensor.conj(), device_type).conj()
    if tensor.is_neg():
        return _cast(tensor._neg_view(), device_type)._neg_view()
    if tensor.dtype in _PASSED_AS_BYTES:
        return _cast(tensor.view(torch.uint8), device_type).view(tensor.dtype)
    capsule = _to_dlpack(tensor)
    address = _pointer(capsule, b"dltensor")
    ctypes.c_int32.from_address(address + _DEVICE_TYPE_OFFSET).value = device_type
    result: torch.Tensor = _from_dlpack(capsule)
    if result.stride() != tensor.stride():  # DLPack rewrites the strides of dimensions of size 0 and 1
        as_strided = torch.ops.aten.as_strided.default
        if device_type == _CUDA:
            return metadata_only(as_strided, result, tensor.shape, tensor.stride())  # type: ignore[no-any-return]
        return result.as_strided(tensor.shape, tensor.stride())
    return result
