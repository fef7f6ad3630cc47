"""The installed wheel in vLLM-Omni's own diffusion worker and pipelines: tiny models, with our hooks and with upstream's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .run import run
from .tiny import PIPELINES, STEPS

RELEASES = ("0.24.0", "0.30.0")


@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=PIPELINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def counted(version: str, name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("simulated"), version, "simulated", name)


def test_latents_on_the_cpu_are_equal_with_the_adapter_and_without(version: str, name: str, tmp_path: Path) -> None:
    """And the counters prove that ours made them."""
    on, off = run(tmp_path, version, "plain", name), run(tmp_path, version, "plain", name, SYNCFREE="off")
    assert off["syncfree"] is False
    assert on["digest"] == off["digest"]
    assert on["spread"] > 0.01
    tiny = PIPELINES[name]
    assert {target: set(by) for target, by in on["calls"].items()} == {
        f"{tiny.scheduler}.{method}": {choice} for method, choice in tiny.choices.items()
    }
    assert {declines for by in on["calls"].values() for _, declines in by.values()} == {0}
    steps = [by["coefficient_table"][0] for target, by in on["calls"].items() if target.endswith("uni_p_bh_update")]
    assert steps == ([STEPS] if "multistep_uni_p_bh_update" in tiny.choices else [])


def test_latents_on_a_simulated_gpu_are_equal_with_every_choice(counted: dict[str, Any]) -> None:
    assert len({choice["digest"] for choice in counted["choices"].values()}) == 1
    declined = [target for target, by in counted["calls"].items() if any(declines for _, declines in by.values())]
    assert declined == []


def test_the_scheduler_does_not_wait_and_upstreams_does(counted: dict[str, Any], name: str) -> None:
    """What is left to wait for is the pipeline's own: the prompt, and numbers of each step."""
    upstream, *ours = (counted["choices"][choice]["sites"] for choice in ("upstream", "sync_free", "coefficient_table"))
    own = {place: count for place, count in upstream.items() if not place.startswith(PIPELINES[name].files)}
    assert sum(upstream.values()) > sum(own.values())
    assert ours == [own, own]


def test_a_table_launches_less_and_nothing_launches_more(counted: dict[str, Any], name: str) -> None:
    launches = {choice: found["launches"] for choice, found in counted["choices"].items()}
    assert launches["coefficient_table"] <= launches["sync_free"] <= launches["upstream"]
    if "coefficient_table" in PIPELINES[name].choices.values():
        assert launches["coefficient_table"] < launches["upstream"] - 10 * STEPS
