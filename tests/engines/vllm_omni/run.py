"""Run a scenario in a process of its own, in an environment with a real vLLM-Omni and our real wheel."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.environments import release, wheel
from tests.models import tiny_model

from .tiny import PIPELINES

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 900


def run(folder: Path, version: str, scenario: str, name: str, **variables: str) -> dict[str, Any]:
    """Return what the scenario tells of one of `PIPELINES` in a release of vLLM-Omni; a failure shows the end of its log."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SYNCFREE", "VLLM", "PYTHONPATH"))}
    kept |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1", "SYNCFREE_CONTROL": str(folder / "control")}
    result = folder / f"{scenario}-{len(list(folder.iterdir()))}.json"
    python = release("vllm-omni", version, wheel())
    program = [python, "-W", "ignore", "-m", "tests.engines.vllm_omni.scenarios"]
    finished = subprocess.run(
        [*program, scenario, name, tiny_model(PIPELINES[name].model), result],
        env={**kept, **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-6000:]
    return dict(json.loads(result.read_text()))
