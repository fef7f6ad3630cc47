"""``chunk_indices`` listed on the host and sent from pinned memory."""

from __future__ import annotations

import torch


def chunk_indices(offsets: torch.Tensor, chunk_size: int, counts: torch.Tensor) -> torch.Tensor:
    """See the contract."""
    counts = counts[counts > 0]
    first = counts.cumsum(0) - counts
    rows = torch.arange(len(counts)).repeat_interleave(counts)
    host = torch.empty(len(rows), 2, dtype=offsets.dtype, pin_memory=offsets.is_cuda)
    host[:, 0] = rows
    host[:, 1] = torch.arange(len(rows)) - first[rows]
    return host.to(offsets.device, non_blocking=True)
