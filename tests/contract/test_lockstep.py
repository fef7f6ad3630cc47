"""A lockstep hook on several ranks, in SGLang's own exchange: they switch together, or none of them does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.support.bound_usp_on_ranks import (
    exchange,
    import_usp,
    patch_away,
    patch_over,
    register_raising,
    use,
    use_alone,
)
from tests.contract.support.gloo_ranks import GlooRanks, gloo_ranks
from tests.environments import unpacked

SIZE = 2
EVERYBODY = [[float(rank) for rank in range(SIZE)]] * SIZE


@pytest.fixture(scope="module")
def ranks() -> Iterator[GlooRanks]:
    with gloo_ranks(SIZE) as pool:
        assert pool.call(import_usp, unpacked("sglang", "0.5.11"), ["sync_free"] * SIZE) == ["sync_free"] * SIZE
        yield pool


def test_ranks_that_choose_alike_switch(ranks: GlooRanks) -> None:
    for choice in ("packed_all_to_all", "upstream", "sync_free"):
        assert ranks.call(use, [choice] * SIZE) == [("", choice)] * SIZE
        assert ranks.call(exchange) == EVERYBODY


@pytest.mark.parametrize(
    "choices", [["packed_all_to_all", "upstream"], ["sync_free", "packed_all_to_all"], ["packed_all_to_all", "sync_free"]]
)
def test_ranks_that_choose_differently_are_refused_and_none_switches(ranks: GlooRanks, choices: list[str | None]) -> None:
    """Also where one of them would not change anything."""
    for error, choice in ranks.call(use, choices):
        assert "the ranks chose differently" in error
        assert choice == "sync_free"
    assert ranks.call(exchange) == EVERYBODY


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_rank_that_cannot_switch_keeps_the_others_from_switching(ranks: GlooRanks, wrong: int) -> None:
    choices: list[str | None] = ["packed_all_to_all"] * SIZE
    choices[wrong] = "packed_all_to_al"
    found = ranks.call(use, choices)
    assert "did you mean 'packed_all_to_all'?" in found[wrong][0]
    assert f"rank {wrong} cannot switch" in found[1 - wrong][0]
    assert [choice for _, choice in found] == ["sync_free"] * SIZE
    assert ranks.call(exchange) == EVERYBODY


def test_a_rank_whose_implementation_raises_while_it_is_imported_keeps_the_others_from_switching(
    ranks: GlooRanks, tmp_path: Path
) -> None:
    sound = "def sequence_parallel_all_to_all(tensors, group):\n    return NotImplemented\n"
    (tmp_path / "sound_exchange.py").write_text(sound)
    (tmp_path / "raising_exchange.py").write_text("raise OSError('libexchange.so is not there')\n")
    ranks.call(register_raising, ["sound_exchange", "raising_exchange"], tmp_path)
    found = ranks.call(use, ["raising"] * SIZE)
    assert "rank 1 cannot switch" in found[0][0]
    assert "libexchange.so is not there" in found[1][0]
    assert [choice for _, choice in found] == ["sync_free"] * SIZE
    assert ranks.call(exchange) == EVERYBODY


def test_a_rank_whose_target_somebody_patched_keeps_the_others_from_switching(ranks: GlooRanks) -> None:
    ranks.call(patch_over)
    found = ranks.call(use, ["packed_all_to_all"] * SIZE)
    ranks.call(patch_away)
    assert "rank 1 cannot switch" in found[0][0]
    assert "replaced" in found[1][0]
    assert [choice for _, choice in found] == ["sync_free"] * SIZE
    assert ranks.call(use, ["packed_all_to_all"] * SIZE) == [("", "packed_all_to_all")] * SIZE
    assert ranks.call(use, ["sync_free"] * SIZE) == [("", "sync_free")] * SIZE


def test_a_rank_that_does_not_call_is_named_after_a_stated_time_and_the_next_switch_finds_all(ranks: GlooRanks) -> None:
    began = time.monotonic()
    found = ranks.call(use, ["upstream", None], 1.0)
    assert 1 <= time.monotonic() - began < 20
    assert "rank 1 did not call syncfree.use(..., all_ranks=True) within 1 s" in found[0][0]
    assert [choice for _, choice in found] == ["sync_free"] * SIZE
    assert ranks.call(use, ["upstream"] * SIZE) == [("", "upstream")] * SIZE
    assert ranks.call(use, ["sync_free"] * SIZE) == [("", "sync_free")] * SIZE
    assert ranks.call(exchange) == EVERYBODY


def test_a_rank_that_comes_too_late_does_not_switch_alone(ranks: GlooRanks) -> None:
    found = ranks.call(use, ["upstream"] * SIZE, 1.0, [0.0, 4.0])
    assert all("did not call syncfree.use(..., all_ranks=True) within 1 s" in error for error, _ in found)
    assert [choice for _, choice in found] == ["sync_free"] * SIZE
    assert ranks.call(use, ["upstream"] * SIZE) == [("", "upstream")] * SIZE
    assert ranks.call(use, ["sync_free"] * SIZE) == [("", "sync_free")] * SIZE


def test_without_all_ranks_nothing_switches(ranks: GlooRanks) -> None:
    for error, choice in ranks.call(use_alone, "upstream"):
        assert f"must switch on all {SIZE} ranks at the same call" in error
        assert choice == "sync_free"
