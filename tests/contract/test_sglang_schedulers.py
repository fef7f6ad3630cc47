"""SGLang's schedulers on a simulated GPU: samples bit for bit as upstream, no host sync, and how many launches per step.

These tests take a sample of the combinations in two releases; with ``--sweep``, a larger one in every release whose code is
another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("sync_free", "coefficient_table")
SOLVERS = ("UniPCMultistepScheduler", "FlowUniPCMultistepScheduler", "HeliosScheduler")
SAMPLED = [(release, 331) for release in ("0.5.12.post1", "0.5.23")]
SWEPT = [(release, 13) for release in ("0.5.9", "0.5.12.post1", "0.5.13", "0.5.21", "0.5.22", "0.5.23")]
HOST_SCALARS = ("0.5.9", "0.5.12.post1")
"""Releases whose UniPC computes its scalars on the host: few launches, many syncs."""

Examined = tuple[str, list[dict[str, Any]]]


def run_apart(program: str, *arguments: str) -> Any:
    """Run a program of `support` in a process of its own; returns what it prints."""
    command = [sys.executable, "-m", f"tests.contract.support.{program}", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=3000)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "examined" in metafunc.fixturenames:
        releases = SWEPT if metafunc.config.getoption("--sweep") else SAMPLED
        metafunc.parametrize("examined", releases, indirect=True, scope="module", ids=[release for release, _ in releases])


@pytest.fixture(scope="module")
def examined(request: pytest.FixtureRequest) -> Examined:
    release, every = request.param
    return release, run_apart("sglang_schedulers_on_a_simulated_gpu", release, str(every))


def test_samples_of_every_step_are_upstream_s(examined: Examined) -> None:
    release, found = examined
    assert {one["scheduler"] for one in found} >= {*SOLVERS, "DPMSolverMultistepScheduler"} - (
        {"HeliosScheduler", "DPMSolverMultistepScheduler"} if release == "0.5.9" else set()
    )
    assert [(one["case"], ours) for one in found for ours in OURS if not one[ours]["equal"]] == []
    assert sum(one["finite"] for one in found) > len(found) / 2  # what overflows or divides by 0 does so in both


def test_no_step_makes_the_host_wait(examined: Examined) -> None:
    _, found = examined
    assert [(one["case"], ours, one[ours]["syncs"]) for one in found for ours in OURS if any(one[ours]["syncs"])] == []


def test_unipc_of_every_release_makes_the_host_wait(examined: Examined) -> None:
    _, found = examined
    waits = [max(one["upstream"]["syncs"]) for one in found if one["scheduler"] == "UniPCMultistepScheduler"]
    assert waits
    assert all(waits)


def test_nothing_was_declined(examined: Examined) -> None:
    _, found = examined
    assert [one["case"] for one in found for ours in OURS if one[ours]["declines"] or not one[ours]["calls"]] == []


def test_a_known_schedule_takes_a_third_of_the_launches_or_fewer(examined: Examined) -> None:
    """Of the last request's steps; about a quarter where nothing runs under autocast, which casts."""
    release, found = examined
    for one in found:
        upstream, ours = one["upstream"]["launches"][-4:], one["coefficient_table"]["launches"][-4:]
        if one["scheduler"] == "UniPCMultistepScheduler" and release in HOST_SCALARS:
            assert sum(ours) < sum(upstream), one["case"]
        elif one["scheduler"] in SOLVERS and not (one["scheduler"] == "HeliosScheduler" and release != "0.5.23"):
            assert 3 * sum(ours) < sum(upstream), one["case"]


def test_flow_unipc_as_wan_uses_it_takes_21_launches_instead_of_106(examined: Examined) -> None:
    _, found = examined
    (one,) = (one for one in found if one["as_used"] and one["scheduler"] == "FlowUniPCMultistepScheduler")
    assert one["upstream"]["launches"][-4:-1] == [106, 106, 106]
    assert one["coefficient_table"]["launches"][-4:-1] == [21, 21, 21]


@pytest.fixture(scope="module", params=["0.5.14", "0.5.23"])
def stages(request: pytest.FixtureRequest) -> tuple[str, dict[str, dict[str, Any]]]:
    return request.param, run_apart("sglang_stages_on_a_simulated_gpu", request.param)


def test_stages_give_what_upstream_gives(stages: tuple[str, dict[str, dict[str, Any]]]) -> None:
    _, found = stages
    assert {name: one["equal"] for name, one in found.items()} == dict.fromkeys(found, True)
    assert all(one["calls"] > 0 and one["declines"] == 0 for one in found.values())


def test_a_request_to_cosmos3_never_makes_the_host_wait(stages: tuple[str, dict[str, dict[str, Any]]]) -> None:
    """Its stage sets no begin index: upstream uploads twice and searches the device, also where its timesteps repeat."""
    _, found = stages
    requests = [one for name, one in found.items() if name.startswith("cosmos3")]
    assert len(requests) == 3
    assert all(one["upstream"][:2] == [2, 2] for one in requests)
    assert not any(any(one["ours"]) for one in requests)


def test_stage_2_of_ltx_2_reads_its_two_sigmas_from_the_host(stages: tuple[str, dict[str, dict[str, Any]]]) -> None:
    release, found = stages
    one = found["ltx_2 stage 2"]
    assert one["upstream"][1:] == ([3, 3, 3, 2] if release == "0.5.23" else [11, 11, 11, 2])
    assert [before - after for before, after in zip(one["upstream"][1:], one["ours"][1:], strict=True)] == [2, 2, 2, 2]
