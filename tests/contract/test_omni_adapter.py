"""vLLM-Omni's schedulers, read from its wheels, on a simulated GPU: equal samples, and what is left to wait for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncfree.adapters.vllm_omni._names import BOOGU, EULER, HELIOS, MAMMOTH, OMNIGEN, UNIPC, WAN_EULER

ROOT = Path(__file__).parents[2]
ADAPTER = ROOT / "adapters" / "vllm_omni"
OLD = {UNIPC, HELIOS, WAN_EULER, MAMMOTH, OMNIGEN}
SCHEDULERS = {"0.14.0": {UNIPC}, "0.24.0": OLD, "0.30.0": {*OLD, EULER, BOOGU}}
"""The schedulers that each release has a copy of."""
READ = {"WanEulerScheduler": 1, "use_dynamic_shifting": 2}
"""The number of schedules that are computed on the device, and read in the first request that has them."""


@pytest.fixture(scope="module", params=SCHEDULERS)
def found(request: pytest.FixtureRequest) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contract.support.omni_on_a_simulated_gpu", request.param]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert finished.returncode == 0, finished.stderr
    return {"release": request.param, **json.loads(finished.stdout.splitlines()[-1])}


def test_every_scheduler_of_the_release_stalls_and_is_bound(found: dict[str, Any]) -> None:
    assert found["stale"] == []
    bound = {name.split()[1].rpartition(".")[0] for name, state in found["plan"].items() if state == ["stalls", "bound"]}
    assert bound == SCHEDULERS[found["release"]]
    assert {tuple(state) for state in found["plan"].values()} <= {("stalls", "bound"), ("absent", "not bound")}


def test_samples_equal_upstreams(found: dict[str, Any]) -> None:
    assert {name.split()[0] for name in found["equal"]} == SCHEDULERS[found["release"]]
    assert found["declines"] == 0
    assert [name for name, equal in found["equal"].items() if not equal] == []


def test_nothing_waits_and_upstream_does(found: dict[str, Any]) -> None:
    assert {name: after for name, (_, after) in found["syncs"].items() if after} == {}
    for name, (before, _) in found["syncs"].items():
        assert before > 100 if "UniPC" in name or "Helios" in name else before == 3


def test_a_step_launches_less_with_a_table_and_never_more(found: dict[str, Any]) -> None:
    assert {name: pair for name, pair in found["launches"].items() if pair[1] > pair[0]} == {}
    tables = {name: pair for name, pair in found["launches"].items() if name.endswith("coefficient_table")}
    multistep = [pair for name, pair in tables.items() if "UniPC" in name or "Helios" in name]
    assert multistep
    assert all(ours * 4 < upstream for upstream, ours in multistep)


def test_the_first_request_reads_a_schedule_that_is_computed_on_the_device(found: dict[str, Any]) -> None:
    """The samples of the second are of another dtype, and its schedule is the same."""
    for name, waits in found["first"].items():
        expected = next((reads for word, reads in READ.items() if word in name), 0)
        assert waits == (expected if name.endswith("float32") else 0)


@pytest.mark.parametrize("name", ["__init__", "scheduler_step", "host_timestep"])
def test_the_documentation_shows_this_adapter(name: str) -> None:
    """The example in the page is the file's text, so what is shown is what is tested."""
    shown = (ROOT / "docs" / "adapters.md").read_text("utf-8")
    code = (ADAPTER / f"{name}.py").read_text("utf-8").split("from __future__ import annotations\n\n", 1)[1]
    assert code in shown
