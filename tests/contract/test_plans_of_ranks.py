"""Plans of several ranks: compared when they start, in real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .support.gloo_ranks import GlooRanks, gloo_ranks
from .support.plans_on_ranks import GATHER, REDUCE, answers, compared

SIZE = 2
OURS = {REDUCE: "sync_free", GATHER: "sync_free"}


@pytest.fixture(scope="module")
def ranks() -> Iterator[GlooRanks]:
    with gloo_ranks(SIZE) as pool:
        yield pool


def test_ranks_with_one_plan_say_nothing(ranks: GlooRanks) -> None:
    assert ranks.call(compared, [OURS] * SIZE) == [("", [])] * SIZE


def test_a_lockstep_hook_chosen_differently_is_an_error_on_every_rank_that_names_ranks_and_choices(ranks: GlooRanks) -> None:
    for error, warnings in ranks.call(compared, [OURS, {**OURS, REDUCE: "upstream"}]):
        assert f"the ranks differ in dp_all_reduce at {REDUCE}: sync_free on rank 0 (pid " in error
        assert "; upstream on rank 1 (pid " in error
        assert "SYNCFREE_DP_ALL_REDUCE" in error
        assert warnings == []


def test_another_hook_chosen_differently_is_a_warning(ranks: GlooRanks) -> None:
    for error, warnings in ranks.call(compared, [{**OURS, GATHER: "upstream"}, OURS]):
        assert error == ""
        (warning,) = warnings
        assert f"the ranks differ in dp_all_reduce at {GATHER}: upstream on rank 0 (pid " in warning


def test_another_release_is_a_warning(ranks: GlooRanks) -> None:
    for error, warnings in ranks.call(compared, [OURS, OURS], 60, ["1.0", "1.1"]):
        assert error == ""
        (warning,) = warnings
        assert "the ranks differ in the release of acme: 1.0 on rank 0 (pid " in warning


def test_answers_are_read_without_waiting_and_the_newest_counts(ranks: GlooRanks) -> None:
    """Rank 0 speaks first, so in the first round it reads itself alone, later the others' answer of the round before."""
    first, second = ranks.call(answers, 2)
    assert first == [[0], [-99, 0]]
    assert second == [[0, 1], [0, 1]]


@pytest.fixture(scope="module")
def ranks_of_which_the_second_is_silent() -> Iterator[GlooRanks]:
    with gloo_ranks(SIZE) as pool:
        yield pool


@pytest.mark.parametrize("lockstep", [True, False])
def test_a_rank_that_says_nothing_is_named_after_a_stated_time(
    ranks_of_which_the_second_is_silent: GlooRanks, lockstep: bool
) -> None:
    """It is an error where a lockstep hook is replaced, because that rank runs upstream's; otherwise a warning."""
    ours = OURS if lockstep else {GATHER: "sync_free"}
    began = time.monotonic()
    (error, warnings), _ = ranks_of_which_the_second_is_silent.call(compared, [ours, {}], 1.0)
    assert 1 <= time.monotonic() - began < 20
    (message,) = [error] if lockstep else warnings
    assert (
        "rank 1 did not publish a plan within 1 s: syncfree is off or missing there, or that rank failed to start" in message
    )
    assert (f"rank 0 replaced dp_all_reduce at {REDUCE}" in message) is lockstep
    assert not (error and warnings)
