"""Operators of PyTorch's test database that are known not to equal the CPU's on the simulated device, and why."""

from __future__ import annotations

_UNDEFINED = "its result is uninitialised memory"
_STORAGE = "reads memory outside its input's view, which the upload to the device leaves behind"

EXCEPTIONS: dict[str, str] = {
    "as_strided.partial_views": _STORAGE,
    "empty": _UNDEFINED,
    "empty_like": _UNDEFINED,
    "empty_permuted": _UNDEFINED,
    "empty_strided": _UNDEFINED,
    "new_empty": _UNDEFINED,
    "new_empty_strided": _UNDEFINED,
    "renorm": "backward accumulates in float32 on CUDA and in float64 on the CPU",
    "sparse.mm.reduce": "sparse tensors are not supported",
    "tensor_split": "wants its index tensor on the CPU on every device; the comparison uploads every tensor",
}
