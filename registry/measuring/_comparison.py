"""The result of a comparison, as JSON: design, machine, versions, every block, and the figures.

``data/comparison.schema.json`` is its JSON schema. ``version`` changes when a reader of older files would be wrong.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from .._errors import SyncfreeError
from .._version import __version__
from .._versioned_json import FileFormat
from ._design import CONTROL, Design, Round, figures_of, ratios_of
from ._statistics import Interval, Summary

FORMAT = "syncfree-comparison"
VERSION = 1
_FORMAT = FileFormat(FORMAT, VERSION, 256 << 20, "", "is not a comparison; syncfree ab --json FILE writes one")
_NAMED = ("torch", "vllm", "sglang", "diffusers", "triton")
FIGURES = {
    "host": "host time per call",
    "cpu": "CPU time per call",
    "device": "device time per call",
    "step": "time from call to call",
    "process": "CPU time of the process from call to call",
    CONTROL: "control (fixed work)",
}


class ComparisonError(SyncfreeError):
    """A comparison cannot be made or read."""

    page = "docs/ab.md"


@dataclass(frozen=True, slots=True)
class Part:
    """The rounds of one process.

    Attributes:
        name: the process, for people.
        equal: rounds of A against A.
        rounds: rounds of A against B.
        stopped: why the rounds ended.
    """

    name: str
    equal: tuple[Round, ...]
    rounds: tuple[Round, ...]
    stopped: str

    def summaries(self) -> dict[str, Summary]:
        """Return the figures of A against B."""
        return _summaries(self.rounds)

    def of_equal(self) -> dict[str, Summary]:
        """Return the figures of A against A."""
        return _summaries(self.equal)

    def doubts(self) -> list[str]:
        """Return the reasons to distrust the figures: A differs from itself, or work that no choice affects differs."""
        found = [
            f"A differs from itself in {FIGURES.get(name, name)}: {summary.interval.low:.3f} to {summary.interval.high:.3f} does not hold 1"
            for name, summary in self.of_equal().items()
            if summary.rounds > 1 and not _plausible(summary)
        ]
        control = self.summaries().get(CONTROL)
        if control is not None and control.rounds > 1 and not _plausible(control):
            found.append(f"the control drifts with the choice: {control.interval.low:.3f} to {control.interval.high:.3f} does not hold 1")
        return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of two choices of a hook.

    Attributes:
        source: what was measured: ``{"kind": "replay", ...}``, ``{"kind": "command", ...}`` or ``{"kind": "job", ...}``.
        differences: how results differed on recorded calls; empty where they are equal, or were not compared.
        when: when it began, in ISO 8601, UTC.
    """

    hook: str
    a: str
    b: str
    design: Design
    source: Mapping[str, Any]
    parts: tuple[Part, ...]
    differences: tuple[str, ...] = ()
    when: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    machine: Mapping[str, Any] = field(default_factory=lambda: machine())
    versions: Mapping[str, str] = field(default_factory=lambda: versions())

    def verdicts(self) -> list[str]:
        """Return a sentence for each figure of each process."""
        found = []
        for part in self.parts:
            prefix = f"{part.name}: " if len(self.parts) > 1 else ""
            for name, summary in part.summaries().items():
                if name != CONTROL:
                    found.append(prefix + summary.verdict(self.a, self.b, FIGURES.get(name, name), self.design.smallest))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "hook": self.hook,
            "a": self.a,
            "b": self.b,
            "when": self.when,
            "source": dict(self.source),
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "design": self.design.as_dict(),
            "differences": list(self.differences),
            "parts": [_part_as_dict(part, self.design.smallest) for part in self.parts],
        }


def read_comparison(path: Path) -> Comparison:
    """Read a file that `Comparison.as_dict` made; figures are computed again from its blocks.

    Raises:
        ComparisonError: it cannot be read, is of a newer version, or is damaged.
    """
    tree = _FORMAT.read(path, ComparisonError)
    try:
        parts = tuple(
            Part(str(part["name"]), _rounds(part["equal"]), _rounds(part["rounds"]), str(part["stopped"])) for part in tree["parts"]
        )
        texts = {name: str(tree[name]) for name in ("hook", "a", "b", "when")}
        return Comparison(
            **texts,
            design=Design(**tree["design"]),
            source=dict(tree["source"]),
            parts=parts,
            differences=tuple(map(str, tree["differences"])),
            machine=dict(tree["machine"]),
            versions=dict(tree["versions"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ComparisonError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def machine() -> dict[str, Any]:
    """Return what this machine is; nothing is imported or initialized for it."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_initialized() else None
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    except OSError:
        model = platform.machine()
    return {"cpu": model, "cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "gpu": gpu, "system": platform.platform()}


def versions() -> dict[str, str]:
    """Return the releases that matter."""
    found = {"syncfree": __version__, "python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _plausible(summary: Summary) -> bool:
    """Return whether a ratio may be 1, by the wider of both intervals."""
    low, high = min(summary.interval.low, summary.sequence.low), max(summary.interval.high, summary.sequence.high)
    return low <= 1 <= high


def _summaries(rounds: Sequence[Round]) -> dict[str, Summary]:
    ratios = {name: ratios_of(rounds, name) for name in figures_of(rounds)}
    return {name: Summary.of(found) for name, found in ratios.items() if found}


def _rounds(tree: Any) -> tuple[Round, ...]:
    def pair(blocks: Any) -> tuple[dict[str, float], dict[str, float]]:
        first, second = ({str(name): float(value) for name, value in block.items()} for block in blocks)
        return first, second

    return tuple(Round(pair(each["a"]), pair(each["b"])) for each in tree)


def _part_as_dict(part: Part, smallest: float) -> dict[str, Any]:
    def rounds(given: Sequence[Round]) -> list[dict[str, Any]]:
        return [{"a": list(each.a), "b": list(each.b)} for each in given]

    return {
        "name": part.name,
        "stopped": part.stopped,
        "doubts": part.doubts(),
        "figures": {name: _summary_as_dict(summary, smallest) for name, summary in part.summaries().items()},
        "equal_figures": {name: _summary_as_dict(summary, smallest) for name, summary in part.of_equal().items()},
        "equal": rounds(part.equal),
        "rounds": rounds(part.rounds),
    }


def _summary_as_dict(summary: Summary, smallest: float) -> dict[str, Any]:
    def ends(interval: Interval) -> list[float] | None:
        return None if math.isinf(interval.high) else [interval.low, interval.high]

    return {
        "rounds": summary.rounds,
        "ratio": summary.ratio,
        "interval": ends(summary.interval),
        "sequence": ends(summary.sequence),
        "outcome": summary.outcome(smallest),
    }
