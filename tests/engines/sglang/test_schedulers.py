"""SGLang's own schedulers without a begin index, on a simulated GPU: host syncs and samples, upstream's way and ours."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.engines.sglang.engine import HERE
from tests.environments import release, wheel


@pytest.fixture(scope="module", params=["0.5.11", "0.5.23"])
def counted(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    python = release("sglang", request.param, wheel())
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    command = [str(python), "-W", "ignore", str(HERE / "count_syncs.py")]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.parametrize("scheduler", ["FlowUniPC", "UniPC"])
def test_the_samples_are_the_same(counted: dict[str, dict[str, Any]], scheduler: str) -> None:
    assert len({by_choice["sample"] for by_choice in counted[scheduler].values()}) == 1


@pytest.mark.parametrize("scheduler", ["FlowUniPC", "UniPC"])
def test_a_request_makes_the_host_wait_in_upstream_and_never_in_ours(
    counted: dict[str, dict[str, Any]], scheduler: str
) -> None:
    assert counted[scheduler]["upstream"]["steps"][0] > 0
    for choice in ("default", "sync_free"):
        ours = counted[scheduler][choice]
        assert ours["set_timesteps"] == 0
        assert ours["steps"] == [0] * len(ours["steps"])


@pytest.mark.parametrize("scheduler", ["FlowUniPC", "UniPC"])
@pytest.mark.parametrize(("choice", "asked"), [("default", "coefficient_table"), ("sync_free", "sync_free")])
def test_the_chosen_implementation_computes_every_update(
    counted: dict[str, dict[str, Any]], scheduler: str, choice: str, asked: str
) -> None:
    ours = counted[scheduler][choice]
    assert ours["calls"] == {asked: 2 * len(ours["steps"]) - 1}  # the first step has no corrector


def test_upstream_s_unipc_waits_in_every_step(counted: dict[str, dict[str, Any]]) -> None:
    assert all(syncs > 0 for syncs in counted["UniPC"]["upstream"]["steps"])
