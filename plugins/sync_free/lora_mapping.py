"""``lora_mapping`` sorted and counted on the host and sent in asynchronous copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from syncfree.hooks.lora_mapping import LoRATensors


def lora_mapping(adapter_of_token: Sequence[int] | np.ndarray[Any, Any], tensors: LoRATensors) -> int:
    """See the contract.

    The pinned buffer is a fresh allocation: PyTorch's caching host allocator keeps it until the copies are done.
    """
    # int16 because NumPy sorts that by radix; slots are far fewer than 32768.
    mapping = np.asarray(adapter_of_token, np.int16)
    tokens, slots = len(mapping), len(tensors.counts)
    counts = np.bincount(mapping + 1, minlength=slots)
    (present,) = counts.nonzero()
    used = len(present)
    if used == 1 and present[0] == 0:
        tensors.adapters.fill_(-1)
        tensors.counts.fill_(0)
        tensors.starts.fill_(0)
        return 0
    host = torch.zeros(2 * tokens + 3 * slots + 1, dtype=torch.int32, pin_memory=tensors.counts.is_cuda)
    parts = host.split([tokens, tokens, slots, slots, slots + 1])
    values = host.numpy()
    values[:tokens] = mapping
    values[tokens : 2 * tokens] = np.argsort(mapping, kind="stable")
    adapters, of_adapter, starts = np.split(values[2 * tokens :], (slots, 2 * slots))
    adapters[:used] = present - 1
    adapters[used:] = -1
    of_adapter[:used] = counts[present]
    starts[1 : 1 + used] = of_adapter[:used].cumsum()
    places = (
        tensors.adapter_of_token[:tokens],
        tensors.tokens_by_adapter[:tokens],
        tensors.adapters,
        tensors.counts,
        tensors.starts,
    )
    torch._foreach_copy_(places, parts, non_blocking=True)
    return used
