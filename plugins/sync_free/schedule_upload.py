"""Schedules uploaded from pinned memory, in stream order."""

from __future__ import annotations

import torch


def schedule_upload(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.schedule_upload`.

    The pinned copy belongs to this call alone: the allocator does not hand its memory out again before the upload is done.
    """
    if device.type != "cuda":
        return values.to(device=device, dtype=dtype)
    return values.to(dtype).contiguous().pin_memory().to(device, non_blocking=True)
