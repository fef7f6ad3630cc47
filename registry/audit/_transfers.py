"""Copies between host and device that PyTorch makes with the host tensor's own memory, so that they need not wait where it is pinned.

The device converts and makes dense. A host tensor that is not dense is copied through pageable memory.
"""

from __future__ import annotations

import torch


def is_whole(on_host: torch.Tensor, on_device: torch.Tensor) -> bool:
    """Return whether the host's side is transferred as it lies in memory, and the rest is done on the device."""
    return on_host.is_contiguous() and on_host.shape == on_device.shape and not (on_host.is_conj() or on_host.is_neg())


def is_one_transfer(destination: torch.Tensor, source: torch.Tensor) -> bool:
    """Return whether one ``cudaMemcpyAsync`` between the two tensors' own memory is enough."""
    if destination.dtype != source.dtype or destination.shape != source.shape:
        return destination.dtype == source.dtype and destination.numel() == source.numel() == 1
    if destination.is_conj() != source.is_conj() or destination.is_neg() != source.is_neg():
        return False
    if destination.is_contiguous() and source.is_contiguous():
        return True
    return destination.stride() == source.stride() and is_dense(source)


def is_dense(tensor: torch.Tensor) -> bool:
    """Return whether the elements fill their memory without gaps and overlaps, in any order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True
