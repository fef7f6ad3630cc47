"""``dp_all_reduce`` with this rank's contribution put together on the host and sent in one asynchronous copy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist


def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """See the contract. Never declines, because ranks would part ways.

    The pinned buffer may be dropped while the copy runs: the caching host allocator waits for it.
    """
    pinned = torch.device(device).type == "cuda"
    contribution = torch.zeros(len(local), size, dtype=torch.int32, pin_memory=pinned)
    contribution[:, rank] = torch.tensor(local, dtype=torch.int32)
    matrix = contribution.to(device, non_blocking=True)
    dist.all_reduce(matrix, group=group)
    return matrix
