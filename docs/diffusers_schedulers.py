"""Write ``docs/diffusers-schedulers.md``: host syncs of every bound scheduler, upstream against ours, counted in this run.

python -m docs.diffusers_schedulers
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "diffusers-schedulers.md"
RELEASES = ("0.35.0", "0.37.0", "0.42.1")
HEAD = """# Host syncs of diffusers schedulers

Written by `python -m docs.diffusers_schedulers`; do not edit. Counted on a simulated GPU: 30 steps (RePaint: 10) through
`set_timesteps`, `step` and, where there is one, `scale_model_input`, without `set_begin_index`, noise drawn on the device.
*schedule* is `set_timesteps`, *first* the first step, *step* the median over all steps. A pair is upstream → ours. In every
row all samples were equal to upstream's, bit for bit, in float32, bfloat16 and float16, with and without a generator.
"""


def count(release: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contract.support.schedulers_on_a_simulated_gpu", release]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def table(release: str, found: dict[str, Any]) -> str:
    differing = [name for name, result in found.items() if not all(result["equal"].values())]
    if differing:
        raise SystemExit(f"diffusers {release}: not equal to upstream: {', '.join(differing)}")
    rows = sorted((-median(result["upstream"]["steps"]), name, result) for name, result in found.items())
    lines = [f"\n## diffusers {release}\n", "| scheduler | schedule | first | step |", "|---|---|---|---|"]
    for _, name, result in rows:
        before, after = result["upstream"], result["ours"]
        pairs = (
            (before["schedule"], after["schedule"]),
            (before["steps"][0], after["steps"][0]),
            (median(before["steps"]), median(after["steps"])),
        )
        lines.append(f"| {name} | " + " | ".join(f"{a:g} → {b:g}" for a, b in pairs) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(HEAD + "".join(table(release, count(release)) for release in RELEASES), "utf-8")
    print(PAGE)
