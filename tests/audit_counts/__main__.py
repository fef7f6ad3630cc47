"""``python -m tests.audit_counts``: count every release, upstream and with our hooks, and write docs/audit-counts.md.

Each release runs twice in its own environment: with SYNCFREE=off, and after ``syncfree.load(FRAMEWORK)``. With ``--check``
nothing is written; a count that differs from the page is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import environments

from .page import Row, Section, render

PAGE = Path(__file__).parents[2] / "docs" / "audit-counts.md"
_PROGRAMS = {"diffusers": "diffusers_schedulers", "sglang": "sglang_schedulers", "vllm": "vllm_samplers"}
RELEASES = {
    "diffusers": ("0.37.0", "0.42.1"),
    "sglang": ("0.5.12.post1", "0.5.13", "0.5.23"),
    "vllm": ("0.20.2", "0.22.0", "0.32.0"),
}


def count(framework: str, release: str) -> Section:
    """Count one release, upstream and ours."""
    python = environments.release(framework, release, environments.wheel())
    upstream = _measure(python, framework, ours=False)
    ours = {one["name"]: one for one in _measure(python, framework, ours=True)}
    rows = [Row(one["name"], one, ours[one["name"]]) for one in upstream]
    return Section(framework, release, rows)


def _measure(python: Path, framework: str, *, ours: bool) -> list[dict[str, Any]]:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TORCH_COMPILE_DISABLE": "1",
    }
    environment.pop("SYNCFREE", None)
    if not ours:
        environment["SYNCFREE"] = "off"
    program = [str(python), "-m", f"tests.audit_counts.{_PROGRAMS[framework]}", *(["ours"] if ours else [])]
    run = subprocess.run(program, env=environment, cwd=PAGE.parents[1], capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{' '.join(program)} ended with status {run.returncode}:\n{run.stderr}")
    # Frameworks print to standard output while they are imported, and log there until they end; the counts are one line.
    counts: list[dict[str, Any]] = json.loads(next(line for line in run.stdout.splitlines() if line.startswith('[{"')))
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.audit_counts", description=__doc__)
    parser.add_argument("frameworks", nargs="*", help="all without")
    parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
    options = parser.parse_args()
    chosen = options.frameworks or list(RELEASES)
    sections = [count(framework, release) for framework in chosen for release in RELEASES[framework]]
    text = render(sections)
    if options.check:
        if not all(part in PAGE.read_text() for part in text.split("\n## ")[1:]):
            print(text)
            print("docs/audit-counts.md says something else; run python -m tests.audit_counts", file=sys.stderr)
            return 1
        return 0
    if not options.frameworks:
        PAGE.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
