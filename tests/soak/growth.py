"""The verdict on the lines of a meter: did anything grow after the warm-up, did anything go wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

WARM_UP = 0.25
"""The share of a run in which caches fill and allocators find their size."""
LIMITS = {"resident": 32 << 20, "traced": 256 << 10, "blocks": 20_000}
"""The distance that the medians of the first and the last quarter after the warm-up may have."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One process: how each figure differed between the beginning and the end after the warm-up, and per hour."""

    lines: int
    seconds: float
    differences: dict[str, float]
    per_hour: dict[str, float]
    last: dict[str, Any]
    problems: tuple[str, ...]


def growth(file: Path) -> Growth:
    """Read a meter's file."""
    told = [json.loads(line) for line in file.read_text().splitlines()]
    lines = [line for line in told if "seconds" in line]
    if len(lines) < 8:
        return Growth(len(lines), 0.0, {}, {}, told[-1] if told else {}, (f"only {len(lines)} measurements: {told[-1:]}",))
    kept = lines[int(len(lines) * WARM_UP) :]
    quarter = max(1, len(kept) // 4)
    differences = {name: _median(kept[-quarter:], name) - _median(kept[:quarter], name) for name in LIMITS}
    seconds = kept[-1]["seconds"] - kept[0]["seconds"]
    hours = 0.75 * seconds / 3600  # between the middles of the two quarters
    problems = [f"{name} grew by {differences[name]:.0f}" for name in LIMITS if differences[name] > LIMITS[name]]
    problems += told[-1]["wrong"]
    per_hour = {name: difference / hours if hours else 0.0 for name, difference in differences.items()}
    return Growth(len(lines), lines[-1]["seconds"] - lines[0]["seconds"], differences, per_hour, lines[-1], tuple(problems))


def _median(lines: Sequence[dict[str, Any]], name: str) -> float:
    return float(median(line[name] for line in lines))
