"""Run ``pytest --syncfree-check`` on a plugin in a process of its own, as its author does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Checked:
    """The report of a run: its exit status, its output, and by hook and check the outcome and the problem."""

    status: int
    output: str
    found: dict[tuple[str, str], tuple[str, str]]

    @property
    def failed(self) -> dict[str, str]:
        """The failed checks of all hooks, each with the problem."""
        return {check: problem for (_, check), (outcome, problem) in self.found.items() if outcome == "failed"}


def checked(plugin: str, folder: Path, *options: str, timeout: float = 480) -> Checked:
    """Check a plugin; the report is written to a file in ``folder``."""
    report = folder / "report.json"
    where = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *where, "--syncfree-check", plugin, "--syncfree-check-json", str(report), *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    records = json.loads(report.read_text())["found"] if report.exists() else []
    found = {(one["hook"], one["check"]): (one["outcome"], one.get("problem", "")) for one in records}
    return Checked(done.returncode, done.stdout + done.stderr, found)
