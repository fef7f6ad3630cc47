"""``pooling_token_types`` laid out in pinned memory from lengths that the host knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch


def pooling_token_types(lengths: Sequence[int], second: Mapping[int, tuple[int, int]], device: torch.device) -> torch.Tensor:
    """See the contract."""
    host = torch.zeros(sum(lengths), dtype=torch.int32, pin_memory=device.type == "cuda")
    types = host.numpy()
    starts = list(accumulate(lengths, initial=0))
    for request, (start, end) in second.items():
        types[starts[request] + start : min(starts[request] + end, starts[request + 1])] = 1
    return host.to(device, non_blocking=True)
