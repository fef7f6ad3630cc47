"""`flashinfer_ulysses`: against the reference over a stand-in of FlashInfer's interface, with two and four ranks. Not run on GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree._hook import NEEDS
from syncfree.hooks.sequence_parallel_all_to_all import HOOK
from syncfree.plugins.flashinfer_ulysses.plugin import PLUGIN
from tests.contract.support.flashinfer_stand_in import (
    agrees,
    communicators_of,
    error_without_nvlink,
    waits_of_the_second_call,
)
from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks


@pytest.fixture(scope="module", params=[2, 4], ids=["2 ranks", "4 ranks"])
def on_gpus(request: pytest.FixtureRequest) -> Iterator[GlooRanks]:
    """Ranks of their own: the simulated device stays in a process."""
    with gloo_ranks(request.param) as pool:
        yield pool


def _covered(tensor: torch.Tensor) -> bool:
    return tensor.dim() > 1 and tensor.shape[-1] * tensor.element_size() % 4 == 0


def test_it_moves_the_bytes_that_the_reference_moves(on_gpus: GlooRanks) -> None:
    answered: set[Any] = set()

    @given(arguments=HOOK.inputs())
    @settings(max_examples=60, deadline=None)
    def equal(arguments: dict[str, Any]) -> None:
        tensors = arguments["tensors"]
        expected = None if all(map(_covered, tensors)) else "declined"
        assert on_gpus.call(agrees, tensors) == [expected] * on_gpus.size
        answered.add(expected)

    equal()
    assert answered == {None, "declined"}


def test_heads_that_attention_hands_over_are_sent_as_they_lie(on_gpus: GlooRanks) -> None:
    """The view that the adapter makes of ``[b, s, h, d]``: parts for the ranks inside of each row."""
    heads = torch.randn(2, 3, 2 * on_gpus.size, 4, dtype=torch.float32).bfloat16()
    sent = heads.unflatten(2, (on_gpus.size, -1)).movedim(2, 0)
    assert on_gpus.call(agrees, (sent, sent, sent)) == [None] * on_gpus.size


def test_only_the_call_that_makes_a_communicator_makes_the_host_wait(on_gpus: GlooRanks) -> None:
    assert on_gpus.call(waits_of_the_second_call, torch.zeros(4, 2, 4)) == [0] * on_gpus.size


def test_a_larger_call_replaces_the_communicator_on_all_ranks(on_gpus: GlooRanks) -> None:
    least, larger = 1 << 22, (1 << 22) + 4
    made = on_gpus.call(communicators_of, 8, least, larger, 8)
    assert made == [[(least, True, 2), (1 << 23, False, 2)]] * on_gpus.size


def test_gpus_without_nvlink_are_an_error_on_every_rank_that_names_other_choices(on_gpus: GlooRanks) -> None:
    errors = on_gpus.call(error_without_nvlink)
    assert len(set(errors)) == 1
    assert errors[0].startswith("UlyssesUnavailableError: syncfree: sequence_parallel_all_to_all=flashinfer_ulysses needs 2, 4, 6 or 8")
    assert "Choose sync_free, packed_all_to_all or upstream" in errors[0]
    assert "not joined by NVLink" in errors[0]


def test_it_is_never_a_default_and_states_what_it_needs() -> None:
    (found,) = (value for value in vars(PLUGIN).values() if hasattr(value, "syncfree_declaration"))
    declared = found.syncfree_declaration
    assert (declared.exact, declared.lockstep, declared.host_syncs) == (False, True, 0)
    assert set(declared.needs) == {"torch", "cuda", "one_node", "flashinfer"} <= set(NEEDS)
