"""The installed wheel in SGLang's language engine on the CPU: a tiny Llama, with our hooks and with upstream's code."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.environments import release, wheel
from tests.models import tiny_model

PROGRAM = Path(__file__).with_name("generate.py")
BESIDE = ("uvloop==0.23.0", "xgrammar==0.2.7", "apache-tvm-ffi==0.1.15.post2")
"""The packages that the language engine imports, and SGLang diffusion does not."""
HOOK = "sampler_logprob_gather"
TIMEOUT_S = 900


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("engine")
    python = release("sglang", "0.5.23", wheel(), *BESIDE)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "SGLANG", "PYTHONPATH"))}
    variables |= {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROGRAM.parent / "kernels"),
        "SGLANG_USE_CPU_ENGINE": "1",
        "SYNCFREE_CONTROL": str(folder / "control"),
        "TRANSFORMERS_OFFLINE": "1",
    }
    with (folder / "log").open("w") as log:
        command = [str(python), str(PROGRAM), str(tiny_model("llama")), str(folder / "result.json")]
        engine = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
        try:
            engine.wait(TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(engine.pid, signal.SIGKILL)
    result = folder / "result.json"
    assert result.exists(), (folder / "log").read_text()[-4000:]
    return dict(json.loads(result.read_text()))


def calls(said: dict[str, Any], choice: str) -> int:
    """Return how many calls an implementation answered, in all processes."""
    reports = [process["report"] for job in said["jobs"] for process in job["processes"]]
    bindings = [one for report in reports for one in report["plan"]["bindings"] if one["hook"] == HOOK]
    counts = [of_target[choice] for one in bindings for of_target in one["counts"].values() if choice in of_target]
    return sum(count["calls"] - count["declines"] for count in counts)


def test_tokens_and_logprobs_are_the_same_with_our_hooks_and_with_upstreams_code(run: dict[str, Any]) -> None:
    with_hooks, upstreams = run["made"]
    assert with_hooks == upstreams
    assert {len(ids) for ids, *_ in with_hooks} == {5}


def test_the_logprobs_of_named_tokens_went_through_our_hook(run: dict[str, Any]) -> None:
    before, after = run["said"]
    assert calls(before, "sync_free") >= 5  # one per decode step
    assert calls(after, "upstream") > 0
