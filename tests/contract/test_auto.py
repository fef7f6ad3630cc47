"""``dp_all_reduce=auto``: shared memory where all ranks share it, else upstream's exchange, on every rank alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .support import auto_on_ranks as on_ranks
from .support.gloo_ranks import GlooRanks, gloo_ranks


@pytest.fixture(scope="module")
def ranks() -> Iterator[GlooRanks]:
    with gloo_ranks(3) as pool:
        yield pool


def test_ranks_of_one_machine_use_shared_memory(ranks: GlooRanks) -> None:
    for found in ranks.call(on_ranks.exchanges, False):
        assert found.matrices == found.expected
        assert found.declined == 0
        assert not found.logged


def test_ranks_that_cannot_share_memory_all_use_upstreams_exchange(ranks: GlooRanks) -> None:
    for found in ranks.call(on_ranks.exchanges, True):
        assert found.matrices == found.expected
        assert found.declined == len(found.expected)


def test_the_first_rank_says_once_why(ranks: GlooRanks) -> None:
    first, *others = ranks.call(on_ranks.exchanges, True)
    (line,) = first.logged
    assert "dp_all_reduce=auto: every rank uses upstream's exchange, because rank 1 " in line
    assert "it runs on another machine or in another container" in line
    assert [other.logged for other in others] == [[], []]


@pytest.mark.parametrize("alone", [0, 2])
def test_a_rank_with_shm_mailbox_among_them_is_an_error_on_every_rank(ranks: GlooRanks, alone: int) -> None:
    errors = ranks.call(on_ranks.beside_the_mailbox, alone)
    for rank, error in enumerate(errors):
        mine = "shm_mailbox" if rank == alone else "auto"
        assert error.startswith(f"syncfree: dp_all_reduce is {mine} here, but not on rank")


def test_a_rank_lost_before_they_agree_is_an_error_and_no_reason_to_go_on() -> None:
    with gloo_ranks(2) as ranks:
        (error,) = ranks.survivors(on_ranks.killed_before_it_agrees, 1).values()
    assert "dp_all_reduce is auto here, but the ranks could not agree on it over their group" in error
