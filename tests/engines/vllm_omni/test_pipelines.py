"""The installed wheel in vLLM-Omni's own diffusion worker and pipelines: tiny models, with our hooks and with upstream's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .run import run
from .tiny import PIPELINES, STEPS

RELEASES = ("0.24.0", "0.30.0")
UNIPC = PIPELINES["WanPipeline"].scheduler
SCHEDULERS_FILES = ("scheduling_flow_unipc_multistep.py", "flow_matching.py")


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def counted(version: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("simulated"), version, "simulated", "WanPipeline")


def test_latents_on_the_cpu_are_equal_with_the_adapter_and_without(version: str, tmp_path: Path) -> None:
    """And the counters prove that ours made them."""
    on, off = run(tmp_path, version, "plain", "WanPipeline"), run(tmp_path, version, "plain", "WanPipeline", SYNCFREE="off")
    assert off["syncfree"] is False
    assert on["digest"] == off["digest"]
    assert on["shape"] == [1, 16, 2, 4, 4]
    assert on["spread"] > 0.01
    assert on["states"][f"scheduler_step {UNIPC}.multistep_uni_p_bh_update"] == ["stalls", "bound"]
    assert on["calls"] == {
        f"{UNIPC}.multistep_uni_p_bh_update": {"coefficient_table": [STEPS, 0]},
        f"{UNIPC}.multistep_uni_c_bh_update": {"coefficient_table": [STEPS - 1, 0]},
        f"{UNIPC}.index_for_timestep": {"sync_free": [1, 0]},
        f"{UNIPC}.set_timesteps": {"sync_free": [1, 0]},
        f"{UNIPC}.convert_model_output": {"sync_free": [STEPS, 0]},
    }


def test_latents_on_a_simulated_gpu_are_equal_with_every_choice(counted: dict[str, Any]) -> None:
    assert len({choice["digest"] for choice in counted["choices"].values()}) == 1
    declined = [name for name, by in counted["calls"].items() if any(declines for _, declines in by.values())]
    assert declined == []


def test_the_scheduler_does_not_wait_and_upstreams_does(counted: dict[str, Any]) -> None:
    """What is left to wait for is the pipeline's own: the prompt, and numbers of each step."""
    upstream, *ours = (counted["choices"][name]["sites"] for name in ("upstream", "sync_free", "coefficient_table"))
    own = {place: count for place, count in upstream.items() if not place.startswith(SCHEDULERS_FILES)}
    assert sum(upstream.values()) - sum(own.values()) > 10 * STEPS
    assert ours == [own, own]


def test_a_table_launches_less(counted: dict[str, Any]) -> None:
    launches = {name: choice["launches"] for name, choice in counted["choices"].items()}
    assert launches["coefficient_table"] < launches["sync_free"] < launches["upstream"]
