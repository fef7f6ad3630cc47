"""The contract of `sampler_logprob_gather` and the implementation that ships with syncfree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.hooks.sampler_logprob_gather import HOOK, inputs, logprobs_of_logprobs, ranks_of_logprobs
from syncfree.plugins.sync_free.sampler_logprob_gather import sampler_logprob_gather

SCORES = torch.tensor([[0.5, -1.0, 2.0, 0.5], [1.0, 1.0, 3.0, -2.0], [0.0, 4.0, -1.0, 2.0]])
SAMPLED = torch.tensor([0, 1, 3])


def gather(implementation: Any, token_ids: Mapping[int, Sequence[int]]) -> Any:
    return implementation(SCORES, token_ids, SAMPLED, logprobs_of_logprobs, ranks_of_logprobs)


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference_bit_for_bit(call: dict[str, Any]) -> None:
    before = call["scores"].clone()
    for expected, found in zip(HOOK.reference(**call), sampler_logprob_gather(**call), strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    assert torch.equal(call["scores"], before)


@pytest.mark.parametrize("implementation", [HOOK.reference, sampler_logprob_gather], ids=["reference", "ours"])
def test_shorter_lists_are_padded_with_id_zero_and_minus_infinity(implementation: Any) -> None:
    ids, logprobs, ranks = gather(implementation, {2: [1, 1, 3], 0: [2]})
    assert ids.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [3, 1, 1, 3]]
    assert ids.dtype == torch.int32
    infinity = float("inf")
    assert logprobs.tolist() == [
        [0.5, 2.0, -infinity, -infinity],
        [1.0, -infinity, -infinity, -infinity],
        [2.0, 4.0, 4.0, 2.0],
    ]
    assert ranks.tolist() == [3, 3, 2]


@pytest.mark.parametrize("implementation", [HOOK.reference, sampler_logprob_gather], ids=["reference", "ours"])
@pytest.mark.parametrize("token_ids", [{}, {1: []}], ids=["no request", "a request with an empty list"])
def test_only_the_sampled_token_is_left_when_nothing_is_asked_for(
    implementation: Any, token_ids: Mapping[int, Sequence[int]]
) -> None:
    ids, logprobs, _ = gather(implementation, token_ids)
    assert ids.tolist() == [[0], [1], [3]]
    assert logprobs.tolist() == [[0.5], [1.0], [2.0]]


@pytest.mark.parametrize("row", [3, -1])
def test_a_row_outside_of_the_batch_is_declined(row: int) -> None:
    assert gather(sampler_logprob_gather, {0: [1], row: [2]}) is NotImplemented


def test_a_token_id_outside_of_the_vocabulary_raises_what_the_framework_raises() -> None:
    messages = []
    for implementation in (HOOK.reference, sampler_logprob_gather):
        with pytest.raises(RuntimeError) as error:
            gather(implementation, {0: [4]})
        messages.append(str(error.value))
    assert messages[0] == messages[1]
