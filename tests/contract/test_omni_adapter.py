"""The adapter that the documentation shows: vLLM-Omni's copy of UniPC, read from its wheel, bound by a distribution of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "third_party" / "omni" / "omni_syncfree" / "__init__.py"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contract.support.omni_on_a_simulated_gpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_every_binding_stalls_and_is_bound(found: dict[str, Any]) -> None:
    assert found["stale"] == []
    hooks = ("scheduler_step", "host_timestep", "schedule_upload")
    assert found["plan"] == {hook: ["stalls", "bound"] for hook in hooks}


def test_samples_equal_upstreams_and_nothing_waits(found: dict[str, Any]) -> None:
    assert len(found["equal"]) == 12
    assert [name for name, equal in found["equal"].items() if not equal] == []
    assert all(before > 100 and after == 0 for before, after in found["syncs"])
    assert found["declines"] == 0


def test_the_documentation_shows_this_adapter() -> None:
    """The example in the page is the file's text, so what is shown is what is tested."""
    shown = (ROOT / "docs" / "adapters.md").read_text("utf-8")
    code = EXAMPLE.read_text("utf-8").split("from __future__ import annotations\n\n", 1)[1]
    assert code in shown
