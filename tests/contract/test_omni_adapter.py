"""vLLM-Omni's schedulers, read from its wheels, on a simulated GPU: equal samples, and what is left to wait for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ADAPTER = ROOT / "adapters" / "vllm_omni"
SCHEDULERS = {
    "0.14.0": {"FlowUniPCMultistepScheduler"},
    "0.24.0": {"FlowUniPCMultistepScheduler", "HeliosScheduler", "WanEulerScheduler"},
    "0.30.0": {"FlowUniPCMultistepScheduler", "HeliosScheduler", "WanEulerScheduler", "FlowMatchEulerDiscreteScheduler"},
}
"""What each release has a copy of."""
LEFT = {"WanEulerScheduler": 2, "use_dynamic_shifting": 60}
"""Where the schedule is computed on the device: the index, and whether a system is singular, are asked for as upstream does."""


@pytest.fixture(scope="module", params=SCHEDULERS)
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contract.support.omni_on_a_simulated_gpu", request.param]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert finished.returncode == 0, finished.stderr
    return {"release": request.param, **json.loads(finished.stdout.splitlines()[-1])}


def test_every_scheduler_of_the_release_stalls_and_is_bound(found: dict[str, Any]) -> None:
    assert found["stale"] == []
    bound = {name.partition(":")[2].partition(".")[0] for name, state in found["plan"].items() if state == ["stalls", "bound"]}
    assert bound == SCHEDULERS[found["release"]]
    assert {tuple(state) for state in found["plan"].values()} <= {("stalls", "bound"), ("absent", "not bound")}


def test_samples_equal_upstreams(found: dict[str, Any]) -> None:
    assert {name.split()[0] for name in found["equal"]} == SCHEDULERS[found["release"]]
    assert [name for name, equal in found["equal"].items() if not equal] == []


def test_nothing_waits_where_the_host_knows_the_schedule(found: dict[str, Any]) -> None:
    for name, (before, after) in found["syncs"].items():
        assert after == next((waits for word, waits in LEFT.items() if word in name), 0)
        assert before > (100 if "UniPC" in name or "Helios" in name else after)


@pytest.mark.parametrize("name", ["__init__", "scheduler_step", "host_timestep"])
def test_the_documentation_shows_this_adapter(name: str) -> None:
    """The example in the page is the file's text, so what is shown is what is tested."""
    shown = (ROOT / "docs" / "adapters.md").read_text("utf-8")
    code = (ADAPTER / f"{name}.py").read_text("utf-8").split("from __future__ import annotations\n\n", 1)[1]
    assert code in shown
