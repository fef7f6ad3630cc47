"""Run the SGLang diffusion engine of one release in an environment of its own, with this tree's wheel installed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environments import cache_root, release, wheel
from tests.models import tiny_model

HERE = Path(__file__).parent
EXCHANGE = "sequence_parallel_all_to_all"
RANKS = 2
TIMEOUT_S = 400


@dataclass(frozen=True, slots=True)
class Run:
    """What one run left behind.

    Attributes:
        made: per generation, hashes of the latents of every step and of the frames.
        reports: per generation, what each worker's probe said, by rank.
        parent: what the probe of the parent said at its end.
        log: what all processes printed.
        code: the exit status of the parent.
    """

    made: list[dict[str, Any]]
    reports: list[dict[int, dict[str, Any]]]
    parent: dict[str, Any]
    log: str
    code: int

    def entries(self, generation: int, hook: str = EXCHANGE) -> list[list[dict[str, Any]]]:
        """The bound plan entries of a hook of SGLang in each worker, by rank, at the end of a generation."""
        return [
            [b for b in self.reports[generation][rank]["plan"]["bindings"] if _is_bound(b, hook)] for rank in range(RANKS)
        ]

    def calls(self, generation: int, choice: str, hook: str = EXCHANGE) -> list[int]:
        """How often each worker had called a choice by the end of a generation, by rank, declined calls left out."""
        return [
            sum(
                by_choice[choice]["calls"] - by_choice[choice]["declines"]
                for entry in entries
                for by_choice in entry["counts"].values()
                if choice in by_choice
            )
            for entries in self.entries(generation, hook)
        ]

    @property
    def lines(self) -> list[str]:
        """The lines that say what a process binds in SGLang."""
        return [line for line in self.log.splitlines() if "syncfree" in line and " in sglang: " in line]


def _is_bound(binding: dict[str, Any], hook: str) -> bool:
    return binding["framework"] == "sglang" and binding["hook"] == hook and binding["state"] == "bound"


def generate(
    version: str, folder: Path, *, generations: int = 1, choices: list[str | None] | None = None, **environment: str
) -> Run:
    """Generate tiny videos on two Ulysses ranks.

    Args:
        version: the SGLang release.
        folder: an empty folder for what the run leaves behind.
        generations: how many videos.
        choices: per generation, the choice of the exchange to switch to before it denoises; None: no switch.
        environment: variables of the engine, beside the usual ones.
    """
    python = release("sglang", version, wheel())
    arguments = [HERE / "generate.py", tiny_model("wan"), folder / "made.json", "--ranks", RANKS]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    variables |= {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PROBE_CHOICES": json.dumps(choices or []),
        "PROBE_FOLDER": str(folder),
        "PYTHONPATH": str(HERE / "probe"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache_root() / "inductor" / f"sglang-{version}"),
        "TRANSFORMERS_OFFLINE": "1",
        **environment,
    }
    command = [str(python), *map(str, arguments), "--generations", str(generations)]
    code = _run(command, folder, variables)
    made = folder / "made.json"
    reports: list[dict[int, dict[str, Any]]] = [{} for _ in range(generations)]
    for file in folder.glob("denoised-*.json"):
        said = json.loads(file.read_text())
        reports[said["generation"]][said["rank"]] = said
    parent = folder / "parent.json"
    return Run(
        json.loads(made.read_text()) if made.exists() else [],
        reports,
        json.loads(parent.read_text()) if parent.exists() else {},
        (folder / "log").read_text(),
        code,
    )


def _run(command: list[str], folder: Path, variables: dict[str, str]) -> int:
    """Run in a session of its own, so that no worker outlives an engine that hangs or is killed."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait(TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
