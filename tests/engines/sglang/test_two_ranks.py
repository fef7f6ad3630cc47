"""The tiny Wan video on two Ulysses ranks of the real engine: hooks on, toggled, taken out, and off from the start."""

from __future__ import annotations

import itertools

import pytest
from packaging.version import Version

from tests.engines.sglang.conftest import Engines
from tests.engines.sglang.engine import EXCHANGE, RANKS, Run, generate

OURS, UPSTREAM, PACKED, RESTORED = range(4)
"""The generations of a toggled engine."""


def inputs_of(version: str) -> set[str]:
    """Return what exchanges Q, K and V of this model, beside ``_usp_all_to_all_single``, which then moves the output alone."""
    return {"USPAttention.forward" if Version(version) < Version("0.5.18") else "_usp_input_all_to_all_qkv"}


def test_the_latents_of_every_step_and_the_frames_are_the_same_on_toggled_and_taken_out(toggled: Run) -> None:
    assert toggled.code == 0, toggled.log[-3000:]
    expected = toggled.made[RESTORED]
    assert len(set(expected["latents"])) == len(expected["latents"]) == 4
    assert toggled.made == [expected] * 4


def test_an_engine_with_hooks_and_one_that_never_had_any_make_the_same(engines: Engines, off_version: str) -> None:
    off, toggled = engines.off(off_version), engines.toggled(off_version)
    assert off.code == 0, off.log[-3000:]
    assert off.made == toggled.made[:1]


def test_both_workers_ran_the_implementation_whenever_it_was_chosen(toggled: Run) -> None:
    def calls(choice: str) -> list[list[int]]:
        """By generation: the calls that each rank had made in it."""
        totals = [[0] * RANKS, *(toggled.calls(generation, choice) for generation in (OURS, UPSTREAM, PACKED))]
        return [[b - a for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(totals)]

    for choice, chosen in (("sync_free", OURS), ("upstream", UPSTREAM), ("packed_all_to_all", PACKED)):
        for generation, per_rank in enumerate(calls(choice)):
            assert len(set(per_rank)) == 1
            assert (per_rank[0] > 0) == (generation == chosen)
    assert toggled.entries(RESTORED) == [[], []]


def test_every_exchange_between_ranks_goes_through_what_was_chosen(version: str, toggled: Run) -> None:
    for entries in toggled.entries(PACKED):
        counts = {target.rpartition(":")[2]: count for e in entries for target, count in e["counts"].items()}
        for choice in ("sync_free", "packed_all_to_all"):
            took = {target for target, by in counts.items() if choice in by and by[choice]["calls"] > by[choice]["declines"]}
            assert took == inputs_of(version) | {"_usp_all_to_all_single"}


def test_nothing_is_bound_where_the_verdict_is_absent_or_unknown(toggled: Run) -> None:
    for reports in toggled.reports:
        for said in reports.values():
            for binding in said["plan"]["bindings"]:
                assert binding["verdict"] != "unknown"
                assert binding["verdict"] in ("stalls", "repeats work", "upstreamed") or binding["state"] == "not bound"


def test_the_workers_agree_on_the_manifest(toggled: Run) -> None:
    for reports in toggled.reports:
        assert sorted(reports) == [0, 1]
        assert reports[0]["plan"]["manifest"] == reports[1]["plan"]["manifest"]


def test_parent_and_workers_are_entered_once_each_and_by_one_way(version: str, toggled: Run) -> None:
    assert toggled.entered_once(version)
    assert len(toggled.ways) == 1 + RANKS


def test_every_process_says_once_what_it_binds(toggled: Run) -> None:
    assert len(toggled.lines) == 1 + RANKS
    assert all(f"{EXCHANGE}=sync_free" in line for line in toggled.lines)


def test_switched_off_nothing_is_bound(engines: Engines, off_version: str) -> None:
    off = engines.off(off_version)
    assert all(line.endswith("in sglang: switched off") for line in off.lines)
    # Up to 0.5.20 the finder is left out; then SGLang's plugins still run.
    assert len(off.lines) == (0 if Version(off_version) < Version("0.5.21") else 1 + RANKS)
    assert "syncfree refused" not in off.log
    for said in off.reports[0].values():
        assert not said["plan"]["enabled"]
        assert said["plan"]["bindings"] == []


def test_where_a_release_stalls_the_progress_bar_is_bound_too(version: str, toggled: Run) -> None:
    states = {
        (binding["verdict"], binding["state"])
        for binding in toggled.reports[OURS][1]["plan"]["bindings"]
        if (binding["framework"], binding["hook"]) == ("sglang", "progress_reporting")
    }
    if Version(version) < Version("0.5.13"):
        assert states == {("repeats work", "bound"), ("absent", "not bound")}
    else:
        assert states == {("upstreamed", "not bound"), ("absent", "not bound")}


def test_a_choice_that_does_not_exist_stops_the_engine(
    refusing_version: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = generate(refusing_version, tmp_path_factory.mktemp("typo"), SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL="sync_fre")
    assert run.code != 0
    assert run.made == []
    assert "did you mean 'sync_free'?" in run.log
