"""Real engines under toggles, plans and counters for a while: ``python -m tests.soak [vllm] [sglang] [--minutes 10]``.

Each engine first generates once with syncfree off; then for the given time while threads of its worker processes toggle every
bound hook and read plans and counters. Every answer must be equal to the first one, bit for bit. Exits with 1 when one is
not, when something grew after the warm-up, or when an engine hung.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.engines.sglang import engine as sglang_engine
from tests.engines.vllm import run as vllm_run
from tests.environments import release, wheel
from tests.models import tiny_model

from .growth import growth

PROGRAMS = Path(__file__).parent / "programs"
SGLANG = "0.5.23"
STARTING_S = 1200
REFERENCE_S = 1.0
NAMED = {
    "vllm": {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_BAD_WORDS_MASK": "sync_free"},
    "sglang": {"SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL": "sync_free"},
}
"""Choices that would not be bound by themselves in these releases, so that there is more to toggle."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("engines", nargs="*", default=["vllm", "sglang"], choices=["vllm", "sglang"])
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    problems = []
    for name in options.engines:
        with tempfile.TemporaryDirectory(prefix=f"soak-{name}-") as folder:
            problems += [f"{name}: {problem}" for problem in _soaked(name, Path(folder), 60 * options.minutes)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _soaked(name: str, folder: Path, seconds: float) -> list[str]:
    run = {"vllm": _vllm, "sglang": _sglang}[name]
    made = []
    for kind, length, variables in (("off", REFERENCE_S, {"SYNCFREE": "off"}), ("on", seconds, NAMED[name])):
        (folder / kind).mkdir()
        code = run(folder / kind, length, variables)
        if code != 0 or not (folder / kind / "made.json").exists():
            return [f"ended with {code}, syncfree {kind}:\n{(folder / kind / 'log').read_text(errors='replace')[-8000:]}"]
        made.append(json.loads((folder / kind / "made.json").read_text()))
    off, on = made
    return _judged(name, off, on, folder / "on")


def _judged(name: str, off: dict[str, Any], on: dict[str, Any], folder: Path) -> list[str]:
    print(
        f"{name}: {on['made']} answers, {len(on['different'])} different; the first one {_same(off, on)} the one without us"
    )
    problems = [f"answers {on['different'][:20]} differ"] if on["different"] else []
    problems += ["the first answer differs from the one without us"] if off["first"] != on["first"] else []
    meters = sorted(folder.glob("meter-*.jsonl"))
    problems += [] if meters else ["no process was measured"]
    for meter in meters:
        found = growth(meter)
        print(
            json.dumps(
                {
                    "process": meter.stem,
                    "lines": found.lines,
                    "seconds": round(found.seconds),
                    "growth": found.differences,
                    "per hour": found.per_hour,
                    "last": found.last,
                }
            )
        )
        problems += [f"{meter.stem}: {problem}" for problem in found.problems]
    return problems


def _same(off: dict[str, Any], on: dict[str, Any]) -> str:
    return "is" if off["first"] == on["first"] else "is NOT"


def _vllm(folder: Path, seconds: float, variables: dict[str, str]) -> int:
    environment = vllm_run.environment(VLLM_ENABLE_V1_MULTIPROCESSING="0", PYTHONPATH=f"{PROGRAMS}:{vllm_run.PROGRAMS}")
    command = [vllm_run.python(), PROGRAMS / "vllm_soak.py", vllm_run.model("llama"), folder, seconds]
    return _run(command, folder, environment | variables, seconds)


def _sglang(folder: Path, seconds: float, variables: dict[str, str]) -> int:
    here = sglang_engine.HERE
    environment = sglang_engine.variables_of(SGLANG, folder)
    for name in [name for name in environment if name.startswith("PROBE_")]:
        del environment[name]
    environment |= {"PYTHONPATH": f"{PROGRAMS / 'sglang_workers'}:{here}", "SOAK_FOLDER": str(folder)}
    python = release("sglang", SGLANG, wheel())
    command = [python, PROGRAMS / "sglang_soak.py", tiny_model("wan"), folder, seconds, sglang_engine.free_port()]
    return _run(command, folder, environment | variables, seconds)


def _run(command: list[object], folder: Path, variables: dict[str, str], seconds: float) -> int:
    """The exit status of an engine; -9 for one that hung."""
    with sglang_engine.started(command, folder, variables) as process:
        try:
            return process.wait(seconds + STARTING_S)
        except subprocess.TimeoutExpired:
            return -9


if __name__ == "__main__":
    sys.exit(main())
