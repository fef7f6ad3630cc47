"""Functions of vLLM that are not bound, and the attempt that shows why: the host's numbers are not those that the function reads."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from .support.vllm_releases import NEWEST, define

CHUNK, BLOCK = 4, 2


def spans(seq_lens: list[int]) -> list[int]:
    """The queries of each virtual batch of chunked local attention, for one request of two tokens with these lengths."""
    namespace: dict[str, Any] = {
        "np": np,
        "torch": torch,
        "cdiv": lambda a, b: -(-a // b),
        "gpu_sync_allowed": lambda **_: nullcontext(),
        "async_tensor_h2d": lambda data, device=None, dtype=None, **_: torch.as_tensor(data, dtype=dtype),
        "CommonAttentionMetadata": lambda **fields: SimpleNamespace(**fields),
    }
    make = define(NEWEST, "v1.attention.backends.utils", ["make_local_attention_virtual_batches"], namespace)
    starts = torch.tensor([0, 2], dtype=torch.int32)
    metadata = SimpleNamespace(
        query_start_loc_cpu=starts,
        query_start_loc=starts,
        seq_lens=torch.tensor(seq_lens, dtype=torch.int32),
        block_table_tensor=torch.arange(8, dtype=torch.int32)[None],
        causal=True,
        num_actual_tokens=2,
        slot_mapping=torch.zeros(2, dtype=torch.int64),
    )
    (local, _) = make["make_local_attention_virtual_batches"](CHUNK, metadata, BLOCK)
    return list(local.query_start_loc_cpu.diff().tolist())


def test_an_upper_bound_of_the_lengths_gives_chunked_local_attention_other_batches() -> None:
    """With asynchronous speculative decoding the host has that bound only: here a draft was rejected on the device."""
    on_the_device, on_the_host = [5], [6]
    assert spans(on_the_device) == [1, 1]
    assert spans(on_the_host) == [2]
