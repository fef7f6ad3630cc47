"""The tiny Wan video on two Ulysses ranks of the real engine: hooks on, off and toggled."""

from __future__ import annotations

import pytest

from tests.engines.sglang.engine import EXCHANGE, RANKS, Run, generate

RELEASES = ("0.5.11", "0.5.23")
"""One that stalls and is entered through ``syncfree.pth``, and the newest, which loads plugins itself."""
CHOSEN = {"0.5.11": {}, "0.5.23": {"SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL": "sync_free"}}
"""The slow form is bound by default; the fast one only when an implementation is named."""


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def toggled(version: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three videos of one engine: with our exchange, with upstream's, with ours again."""
    folder = tmp_path_factory.mktemp("toggled")
    return generate(version, folder, generations=3, choices=[None, "upstream", "sync_free"], **CHOSEN[version])


@pytest.fixture(scope="module")
def off(version: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One video with syncfree switched off."""
    return generate(version, tmp_path_factory.mktemp("off"), SYNCFREE="off")


def test_the_latents_of_every_step_and_the_frames_are_the_same_on_off_and_toggled(toggled: Run, off: Run) -> None:
    assert off.code == 0, off.log[-3000:]
    assert toggled.code == 0, toggled.log[-3000:]
    (expected,) = off.made
    assert len(set(expected["latents"])) == len(expected["latents"]) == 4
    assert toggled.made == [expected] * 3


def test_both_workers_ran_the_implementation_whenever_it_was_chosen(toggled: Run) -> None:
    ours = [toggled.calls(generation, "sync_free") for generation in range(3)]
    theirs = [toggled.calls(generation, "upstream") for generation in range(3)]
    per_video, upstream_per_video = ours[0][0], theirs[1][0]
    assert per_video > 0
    assert upstream_per_video > 0
    assert ours == [[per_video] * RANKS, [per_video] * RANKS, [2 * per_video] * RANKS]
    assert theirs == [[0] * RANKS, [upstream_per_video] * RANKS, [upstream_per_video] * RANKS]


def test_every_exchange_between_ranks_goes_through_what_was_chosen(version: str, toggled: Run) -> None:
    targets = [
        sorted(target.rpartition(":")[2] for e in entries for target in e["targets"]) for entries in toggled.entries(2)
    ]
    attention = ["USPAttention.forward"] if version == "0.5.11" else []
    assert targets == [[*attention, "_usp_all_to_all_single"]] * RANKS
    for entries in toggled.entries(2):
        for entry in entries:
            for target, counts in entry["counts"].items():
                # Cross attention is not exchanged at all; its calls of the attention layer are upstream's.
                assert (counts["sync_free"]["declines"] > 0) == target.endswith("USPAttention.forward")


def test_the_workers_agree_on_the_manifest(toggled: Run) -> None:
    for reports in toggled.reports:
        assert sorted(reports) == [0, 1]
        assert reports[0]["plan"]["manifest"] == reports[1]["plan"]["manifest"]


def test_every_process_says_once_what_it_binds(toggled: Run) -> None:
    assert len(toggled.lines) == 1 + RANKS
    assert all(f"{EXCHANGE}=sync_free" in line for line in toggled.lines)


def test_switched_off_nothing_is_bound(version: str, off: Run) -> None:
    assert all(line.endswith("in sglang: switched off") for line in off.lines)
    assert len(off.lines) == (0 if version == "0.5.11" else 1 + RANKS)  # the finder is left out; SGLang's plugins still run
    assert "syncfree refused" not in off.log
    for said in off.reports[0].values():
        assert not said["plan"]["enabled"]
        assert said["plan"]["bindings"] == []


def test_where_a_release_stalls_the_progress_bar_is_bound_too(version: str, toggled: Run) -> None:
    states = {
        (binding["verdict"], binding["state"])
        for binding in toggled.reports[0][1]["plan"]["bindings"]
        if binding["hook"] == "progress_reporting"
    }
    if version == "0.5.11":
        assert states == {("needed", "bound"), ("absent", "not bound")}
    else:
        assert states == {("upstreamed", "not bound"), ("absent", "not bound")}


def test_a_choice_that_does_not_exist_stops_the_engine(version: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = generate(version, tmp_path_factory.mktemp("typo"), SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL="sync_fre")
    assert run.code != 0
    assert run.made == []
    assert "did you mean 'sync_free'?" in run.log
