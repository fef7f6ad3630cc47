"""Threads that import, plan, toggle, count and fork at once, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("threads_together.py")


@pytest.mark.parametrize("seed", range(3))
def test_threads_that_import_plan_toggle_and_fork_at_once_neither_hang_nor_differ(tmp_path: Path, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.unit.threads_together", str(tmp_path), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errors"] == []
    assert found["children"] == ["0"] * found["forks"]
    assert set(found["states"]) == {"bound"}
    assert found["results"] == ["first"] * found["modules"]
    assert found["restored"]
