"""Uploads from pinned memory, in stream order."""

from __future__ import annotations

import torch


def pinned_copy(values: torch.Tensor) -> torch.Tensor:
    """Return a copy of a CPU tensor in pinned memory of its own; ``pin_memory`` returns a tensor that is pinned already as it is.

    The caching allocator of pinned memory does not hand the copy's memory out again before an upload from it is done.
    """
    pinned = values.pin_memory()
    if pinned.data_ptr() == values.data_ptr():
        return torch.empty_like(values, pin_memory=True).copy_(values)
    return pinned


def warm(largest: int = 1 << 20, each: int = 4) -> None:
    """Allocate pinned memory of every size that uploads use, once, and give it back to torch's cache.

    torch keeps pinned memory in sizes that are powers of two. The first upload of each size calls ``cudaHostAlloc``, which may
    wait for the device; later ones take what is cached. Call it when the process starts, after CUDA is there.

    Args:
        largest: bytes of the largest upload, rounded up to a power of two; a schedule of 1,000 float64 takes 8 KiB.
        each: how many uploads of a size may be under way at once.

    Raises:
        ValueError: a number below 1.
        RuntimeError: there is no CUDA device.
    """
    if largest < 1 or each < 1:
        raise ValueError(f"the largest upload has 1 byte or more, and 1 or more are under way; got {largest} and {each}")
    for exponent in range((largest - 1).bit_length() + 1):
        kept = [torch.empty(1 << exponent, dtype=torch.uint8, pin_memory=True) for _ in range(each)]
        del kept
