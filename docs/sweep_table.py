"""The table of the sweep: what the last recorded run of `nox -s dry_run_sweep` compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.dry_run.sweep.reasons import REASONS

RESULT = Path(__file__).parents[1] / "tests" / "dry_run" / "sweep" / "result.json"
DIFFERENCES = {
    "free on the simulated device": "waits in PyTorch's code, free on the simulated device",
    "only on the simulated device": "free in PyTorch's code, waits on the simulated device",
    "fewer": "waits on both, less often on the simulated device",
    "more": "waits on both, more often on the simulated device",
}


def table() -> str:
    """Return the counts, the operators that differ with the reason, and those that could not run."""
    result: dict[str, Any] = json.loads(RESULT.read_text("utf-8"))
    numbers = [("agree, in every sample that ran on both", len(result["agree"]))]
    numbers += [(text, len(result[key])) for key, text in DIFFERENCES.items()]
    numbers.append(("could not run", len(result["could not run"])))
    samples = result["samples"]
    head = (
        f"torch {result['torch']}, {sum(number for _, number in numbers)} operators and cases, {samples['compared']} samples; "
        f"{samples['not compared']} further samples did not run on one of the two:\n"
    )
    lines = [head, "| | |", "|---|---:|"]
    lines += [f"| {text} | {number} |" for text, number in numbers]
    lines += ["", "| differs | with values | without | simulated device | why |", "|---|---:|---:|---:|---|"]
    lines += [
        f"| `{name}` | {' | '.join(map(str, waits))} | {REASONS[name]} |" for key in DIFFERENCES for name, waits in result[key].items()
    ]
    lines += ["", "| could not run | |", "|---|---|"]
    lines += [f"| `{name}` | {reason.replace('|', ' ')} |" for name, reason in result["could not run"].items()]
    return "\n".join(lines) + "\n"
