"""Run a scenario in a process of its own, in an environment with a real diffusers and our real wheel."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def process(python: Path, scenario: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    return subprocess.run(
        [python, "-W", "ignore", "-m", "tests.engines.diffusers.scenarios", scenario],
        env={**inherited, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def run(python: Path, scenario: str, **environment: str) -> dict[str, Any]:
    finished = process(python, scenario, **environment)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]
