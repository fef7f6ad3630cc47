"""A real Wan pipeline with UniPC, in processes that have our wheel: on, off, toggled, restored, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import release, wheel

from .process import process, run

STEPS = 10
RELEASES = ("0.37.0", "0.42.1")


@pytest.fixture(params=RELEASES)
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with this diffusers and the wheel of the working tree."""
    return release("diffusers", request.param, wheel())


def test_frames_are_equal_on_off_toggled_and_restored(python: Path) -> None:
    """And the counters prove which choice made them."""
    on, off, toggled, restored = (
        run(python, "plain"),
        run(python, "plain", SYNCFREE="off"),
        run(python, "toggled"),
        run(python, "restored"),
    )
    assert off["syncfree"] is False
    assert on["spread"] > 0.01
    assert {on["digest"], toggled["digest"], restored["digest"], restored["before"]} == {off["digest"]}

    assert (on["state"], on["verdict"], on["choice"], on["source"]) == ("bound", "stalls", "coefficient_table", "default")
    assert on["calls"] == {
        "multistep_uni_p_bh_update": {"coefficient_table": [STEPS, 0]},
        "multistep_uni_c_bh_update": {"coefficient_table": [STEPS - 1, 0]},
    }
    assert on["bare_folders"] == []
    assert toggled["calls"] == {
        "multistep_uni_p_bh_update": {"coefficient_table": [3, 0], "upstream": [4, 0], "sync_free": [STEPS - 7, 0]},
        "multistep_uni_c_bh_update": {"coefficient_table": [2, 0], "upstream": [4, 0], "sync_free": [STEPS - 7, 0]},
    }
    assert restored["calls_before"] == on["calls"]
    assert restored["identical"]
    assert restored["was_placed"]
    assert restored["left"] == []
    assert all(file.endswith("scheduling_unipc_multistep.py") for file in restored["files"])


def test_import_syncfree_auto_binds_what_was_imported_before(python: Path) -> None:
    found = run(python, "auto")
    assert found["digest"] == run(python, "plain", SYNCFREE="off")["digest"]
    assert found["calls"]["multistep_uni_p_bh_update"] == {"coefficient_table": [STEPS, 0]}


def test_upstream_chosen_by_environment_leaves_the_methods_alone(python: Path) -> None:
    found = run(python, "plain", SYNCFREE_SCHEDULER_STEP="upstream")
    assert (found["state"], found["choice"]) == ("not bound", "upstream")
    assert found["calls"] == {}


def test_mistyped_choice_stops_the_process_and_names_the_nearest(python: Path) -> None:
    finished = process(python, "plain", SYNCFREE_SCHEDULER_STEP="sync_fre")
    assert finished.returncode != 0
    assert "sync_fre" in finished.stderr
    assert "did you mean 'sync_free'?" in finished.stderr


def test_mistyped_variable_stops_the_process_and_names_the_nearest(python: Path) -> None:
    finished = process(python, "plain", SYNCFREE_SCHEDULER_STP="upstream")
    assert finished.returncode != 0
    assert "did you mean 'SYNCFREE_SCHEDULER_STEP'?" in finished.stderr
