"""Schedules uploaded from pinned memory, in stream order."""

from __future__ import annotations

import torch

from syncfree.plugins.ordinary import is_ordinary
from syncfree.plugins.pinned import pinned_copy


def schedule_upload(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.schedule_upload`.

    The pinned copy belongs to this call alone, so the caller may change the values at once, pinned ones too.
    Declines values that are no plain dense tensor or need gradients, other devices, and the upload that would start CUDA, or
    find out that there is none.
    """
    if not is_ordinary(values) or not values.is_cpu or values.requires_grad:
        return NotImplemented  # type: ignore[no-any-return]
    if device.type == "cpu":
        return values.to(device=device, dtype=dtype)
    if device.type != "cuda" or not torch.cuda.is_initialized():
        return NotImplemented  # type: ignore[no-any-return]
    return pinned_copy(values.to(dtype).contiguous()).to(device, non_blocking=True)
