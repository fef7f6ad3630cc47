"""The exchange of Q, K and V in one call: overlapped and packed, in every path of the attention layer of real SGLang releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.hooks.sequence_parallel_all_to_all import HOOK
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from tests.contract.support.attention_on_ranks import captured_agrees, compilations, overlapped_agrees, paths, paths_agree
from tests.contract.support.gloo_ranks import GlooRanks
from tests.contract.support.usp_on_ranks import packed_and_reference
from tests.environments import unpacked

CHOICES = ("sync_free", "packed_all_to_all")
RELEASES = (
    "0.5.9",
    "0.5.10.post1",
    "0.5.11",
    "0.5.12.post1",
    "0.5.13",
    "0.5.15",
    "0.5.16",
    "0.5.17",
    "0.5.18",
    "0.5.20",
    "0.5.22",
    "0.5.23",
)
"""One of each form that a replaced method took."""
INPUTS = {"sync_free": 3, "packed_all_to_all": 1}
"""Exchanges of Q, K and V; upstream's are three."""
BESIDE = {"masked": 2, "prefix": 2, "suffix": 2, "prefix, grouped heads": 2}
"""Collectives beside, where there is more than the output's: the mask's, or that of the replicated tokens' heads."""


@given(arguments=HOOK.inputs())
@settings(max_examples=30, deadline=None)
def test_packing_moves_the_bytes_that_the_reference_moves(ranks: GlooRanks, arguments: dict[str, Any]) -> None:
    first = arguments["tensors"][0].dtype
    tensors = tuple(tensor.to(first) for tensor in arguments["tensors"])
    for answers in ranks.call(packed_and_reference, tensors):
        assert all(answers)


def test_what_was_packed_comes_out_contiguous_where_each_rank_gets_one_row(ranks: GlooRanks) -> None:
    tensors = tuple(torch.arange(ranks.size * width, dtype=torch.float32).reshape(ranks.size, width) for width in (2, 3))
    for answers in ranks.call(packed_and_reference, tensors):
        assert answers == [True, True]


def test_packing_declines_tensors_of_different_dtypes() -> None:
    assert packed((torch.zeros(4), torch.zeros(4, dtype=torch.int64)), None) is NotImplemented


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("release", RELEASES)
def test_attention_is_the_same_in_every_path_with_one_call_for_q_k_and_v(
    ranks: GlooRanks, release: str, choice: str, dtype: torch.dtype
) -> None:
    for found in ranks.call(paths_agree, unpacked("sglang", release), release, choice, dtype):
        assert list(found) == paths(release)
        for name, path in found.items():
            assert path["same"], name
            assert path["unchanged"], name
            if name == "heads that cannot be split":  # upstream's own assertion, raised by both
                assert path["collectives"] == (0, 0)
                continue
            beside = BESIDE.get(name, 1)
            assert path["collectives"] == (3 + beside, INPUTS[choice] + beside), name
            assert len(path["ours"]) == 2, name


@pytest.mark.parametrize("release", ["0.5.16", "0.5.17"])
def test_attention_that_a_breakable_graph_captures_is_upstreams(ranks: GlooRanks, release: str) -> None:
    for same, collectives, declined in ranks.call(captured_agrees, unpacked("sglang", release), release, "packed_all_to_all"):
        assert same
        assert collectives == (4, 4)
        assert declined["forward"] == 1


@pytest.mark.parametrize("release", ["0.5.15", "0.5.16"])
@pytest.mark.parametrize(("path", "declines"), [("plain", 0), ("prefix", 1)])
def test_a_compiled_caller_of_attention_is_compiled_as_often_as_upstreams_even_where_ours_declines(
    ranks: GlooRanks, path: str, declines: int, release: str
) -> None:
    for upstream, ours, declined in ranks.call(compilations, unpacked("sglang", release), release, "sync_free", path):
        assert ours == upstream > 0
        assert declined["forward"] == declines


@pytest.mark.parametrize("release", ["0.5.9", "0.5.23"])
@pytest.mark.parametrize("choice", CHOICES)
def test_the_overlapped_exchange_of_a_side_stream_gives_the_same_bytes_over_ours(
    ranks: GlooRanks, release: str, choice: str
) -> None:
    for to_heads in (True, False):
        for count in (1, 3):
            for found in ranks.call(overlapped_agrees, unpacked("sglang", release), release, choice, to_heads, count):
                assert found == {"same": True, "collectives": (count, 1 if choice == "packed_all_to_all" else count)}
