"""What is not bound in vLLM, and the attempt that shows why: the host's numbers are not those that the function reads."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from .support.vllm_releases import NEWEST, RELEASES, define

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


def chunk_indices(release: str, lengths: list[int]) -> list[list[int]]:
    """Return the row and the number in it of each chunk of gated-delta layers, for rows of these lengths."""
    library = "model_executor.layers.fla" if release != NEWEST else "third_party.flash_linear_attention"
    namespace: dict[str, Any] = {
        "torch": torch,
        "tensor_cache": lambda function: function,
        "triton": SimpleNamespace(cdiv=lambda a, b: -(-a // b)),
        "gpu_sync_allowed": lambda **_: nullcontext(),
        "async_tensor_h2d": lambda data, device=None, dtype=None, **_: torch.as_tensor(data, dtype=dtype),
    }
    define(release, f"{library}.ops.index", ["prepare_lens", "prepare_chunk_indices"], namespace)
    offsets = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return list(namespace["prepare_chunk_indices"](offsets, CHUNK).tolist())


@pytest.mark.parametrize("release", RELEASES)
def test_rows_and_tokens_do_not_tell_the_chunks_of_gated_delta_layers(release: str) -> None:
    """Nothing else is known on the host of the arguments of `prepare_chunk_indices`: both are two rows with ten tokens."""
    assert chunk_indices(release, [4, 6]) == [[0, 0], [1, 0], [1, 1]]
    assert chunk_indices(release, [1, 9]) == [[0, 0], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("decodes", "prefills"), [(0, [5]), (3, [4, 6]), (2, [1, 9, 2])])
def test_the_chunks_of_all_rows_follow_from_those_of_the_prefills_and_how_many_decodes_precede(
    release: str, decodes: int, prefills: list[int]
) -> None:
    """So a replacement that found the step's metadata, as the function itself cannot, would not have to wait."""
    of_prefills = chunk_indices(release, prefills)
    composed = [*([row, 0] for row in range(decodes)), *([row + decodes, number] for row, number in of_prefills)]
    assert chunk_indices(release, [1] * decodes + prefills) == composed
