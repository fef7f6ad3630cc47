"""``fast_prefill_padding`` with the last index broadcast on the device."""

from __future__ import annotations

import torch


def fast_prefill_padding(buffer: torch.Tensor, indices: torch.Tensor) -> None:
    """See the contract."""
    count = indices.shape[0]
    buffer[:count].copy_(indices)
    buffer[count:] = indices[-1]
