"""Every scheduler that the diffusers adapter binds: 30 steps bit for bit as upstream, and no host sync left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncfree.adapters.diffusers.step_coefficients import BINDINGS as STEP_COEFFICIENTS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["0.37.0", "0.42.1"])
def found(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "tests.contract.support.schedulers_on_a_simulated_gpu", request.param]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1500)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_thirty_steps_equal_upstream_in_every_dtype_with_and_without_a_generator(found: dict[str, dict[str, Any]]) -> None:
    assert len(found) >= 30
    differing = {name: [run for run, equal in one["equal"].items() if not equal] for name, one in found.items()}
    assert {name: runs for name, runs in differing.items() if runs} == {}
    assert all(len(one["equal"]) >= 6 for one in found.values())


def test_no_step_makes_the_host_wait(found: dict[str, dict[str, Any]]) -> None:
    left = {name: max(one["ours"]["steps"]) for name, one in found.items() if any(one["ours"]["steps"])}
    assert left == {}


def test_upstream_makes_the_host_wait_in_each_of_them(found: dict[str, dict[str, Any]]) -> None:
    assert [name for name, one in found.items() if not sum(one["upstream"]["steps"])] == ["KarrasVeScheduler"]
    assert found["KarrasVeScheduler"]["upstream"]["schedule"] == 32


def test_making_a_schedule_does_not_wait_once_it_was_made_before(found: dict[str, dict[str, Any]]) -> None:
    assert {name: one["ours"]["schedule"] for name, one in found.items() if one["ours"]["schedule"]} == {}
    computed = {name: one["first"] for name, one in found.items() if one["first"]}
    assert computed == {"KDPM2AncestralDiscreteScheduler": 1, "KDPM2DiscreteScheduler": 1, "ScoreSdeVeScheduler": 1}
    assert all(one["first"] < one["upstream"]["schedule"] for name, one in found.items() if name in computed)


def test_nothing_was_declined_but_the_first_scaling_of_a_request_which_finds_its_position(
    found: dict[str, dict[str, Any]],
) -> None:
    scaled = {
        binding.targets[0].partition(":")[2].partition(".")[0]
        for binding in STEP_COEFFICIENTS
        if any(target.endswith(".scale_model_input") for target in binding.targets)
    }
    requests = 2
    expected = {name: requests for name in found if name in scaled}
    assert {name: one["declines"] for name, one in found.items() if one["declines"]} == expected
