"""The exchange of Q, K and V in one call: overlapped and packed, in the methods of real SGLang releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.hooks.sequence_parallel_all_to_all import HOOK
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from tests.contract.attention_on_ranks import declines, forward_agrees, replicated_kv_prefix_agrees
from tests.contract.gloo_ranks import GlooRanks, gloo_ranks
from tests.contract.usp_on_ranks import packed_and_reference
from tests.environments import unpacked

CHOICES = ("sync_free", "packed_all_to_all")
EXPECTED_COLLECTIVES = {"sync_free": (4, 4), "packed_all_to_all": (4, 2)}
"""Upstream's three on the way in and one on the way out, and ours."""


@pytest.fixture(scope="module", params=[2, 4], ids=["2 ranks", "4 ranks"])
def ranks(request: pytest.FixtureRequest) -> Iterator[GlooRanks]:
    with gloo_ranks(request.param) as pool:
        yield pool


@given(arguments=HOOK.inputs())
@settings(max_examples=30, deadline=None)
def test_packing_moves_the_bytes_that_the_reference_moves(ranks: GlooRanks, arguments: dict[str, Any]) -> None:
    first = arguments["tensors"][0].dtype
    tensors = tuple(tensor.to(first) for tensor in arguments["tensors"])
    for answers in ranks.call(packed_and_reference, tensors):
        assert all(answers)


def test_packing_declines_tensors_of_different_dtypes() -> None:
    assert packed((torch.zeros(4), torch.zeros(4, dtype=torch.int64)), None) is NotImplemented


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("release", ["0.5.9", "0.5.10.post1", "0.5.11", "0.5.12.post1"])
def test_attention_is_the_same_with_one_call_for_q_k_and_v(
    ranks: GlooRanks, release: str, choice: str, dtype: torch.dtype
) -> None:
    for found in ranks.call(forward_agrees, unpacked("sglang", release), release, choice, 1, dtype):
        assert found == {"equal": True, "unchanged": True, "collectives": EXPECTED_COLLECTIVES[choice]}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("release", ["0.5.13", "0.5.17", "0.5.18", "0.5.20"])
def test_attention_with_a_replicated_kv_prefix_is_the_same(
    ranks: GlooRanks, release: str, choice: str, dtype: torch.dtype
) -> None:
    for found in ranks.call(replicated_kv_prefix_agrees, unpacked("sglang", release), release, choice, 1, dtype):
        assert found == {"equal": True, "unchanged": True, "collectives": EXPECTED_COLLECTIVES[choice]}


@pytest.mark.parametrize(
    ("release", "arguments"),
    [
        ("0.5.9", {"replicated_k": 1}),
        ("0.5.10.post1", {"num_replicated_prefix": 1}),
        ("0.5.11", {"num_replicated_suffix": 1}),
        ("0.5.11", {"attn_mask": 1}),
        ("0.5.12.post1", {"skip_sequence_parallel_override": True}),
    ],
)
def test_every_other_path_of_the_method_stays_upstream_s(ranks: GlooRanks, release: str, arguments: dict[str, Any]) -> None:
    assert all(ranks.call(declines, unpacked("sglang", release), release, arguments))
