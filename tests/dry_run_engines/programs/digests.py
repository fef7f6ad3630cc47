"""Hashes of what a program made, to compare runs with hooks and without."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch


def digest(tensors: Iterable[torch.Tensor]) -> str:
    """Return a hash of the bytes, shapes and dtypes of some tensors."""
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        content.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()[:16]
