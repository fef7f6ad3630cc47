"""Real pipelines and many schedulers on a simulated GPU: the same latents, and no scheduler that makes the host wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.environments import release, wheel

from .process import run

RELEASES = ("0.37.0", "0.42.1")


@pytest.fixture(scope="module", params=RELEASES)
def found(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    return run(release("diffusers", request.param, wheel()), "pipelines_on_a_simulated_gpu")


def test_latents_are_equal_to_upstreams(found: dict[str, dict[str, Any]]) -> None:
    assert len(found) >= 20
    assert [name for name, request in found.items() if not request["equal"]] == []


def test_every_request_waits_less_than_with_upstream(found: dict[str, dict[str, Any]]) -> None:
    assert {name: request for name, request in found.items() if request["ours"] >= request["upstream"]} == {}


def test_no_scheduler_is_left_that_makes_the_host_wait(found: dict[str, dict[str, Any]]) -> None:
    """What is left belongs to the pipelines: noise of a CPU generator, text ids, timesteps that they ask themselves."""
    ours = ("/schedulers/", "/syncfree/adapters/")  # the latter: in upstream's set_timesteps, which is watched from there
    left = {name: [at for at in request["left"] if any(o in at for o in ours)] for name, request in found.items()}
    allowed = {"stable_diffusion KDPM2DiscreteScheduler"}  # computes a part of its schedule on the device
    assert {name: sites for name, sites in left.items() if sites and name not in allowed} == {}


def test_what_pipelines_ask_themselves_is_left_and_shown(found: dict[str, dict[str, Any]]) -> None:
    """Cosmos reads each timestep back in its own loop, once per step; no scheduler can answer that."""
    if "cosmos UniPCMultistepScheduler" in found:
        cosmos = found["cosmos UniPCMultistepScheduler"]
        assert any("pipeline_cosmos2_5_predict.py" in at for at in cosmos["left"])
        assert cosmos["ours"] >= 6
    assert found["wan UniPCMultistepScheduler"]["ours"] < 6


def test_models_offloaded_to_the_host_and_callbacks_that_change_latents() -> None:
    """Images and videos, decoded; the accelerator that offloading needs is the simulated one."""
    found = run(release("diffusers", "0.42.1", wheel(), "accelerate==1.15.0", "psutil==7.1.3"), "offloaded")
    assert sorted(found) == ["cosmos", "stable_diffusion", "wan"]
    for one in found.values():
        assert (one["equal"], one["spread"], one["callbacks_equal"]) == (True, True, True)
        assert (one["callbacks"], one["devices"], one["denoiser_is_back"]) == (12, ["cuda"], "cpu")


@pytest.mark.parametrize("version", RELEASES)
def test_compiled_transformer_between_bound_scheduler_steps(version: str) -> None:
    python: Path = release("diffusers", version, wheel())
    found = run(python, "compiled")
    assert found == {"equal": True, "near": True, "state": "bound"}
