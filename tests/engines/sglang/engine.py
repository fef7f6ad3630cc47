"""Run the SGLang diffusion engine of one release in an environment of its own, with this tree's wheel installed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.environments import cache_root, release, wheel
from tests.models import tiny_model

HERE = Path(__file__).parent
EXCHANGE = "sequence_parallel_all_to_all"
RANKS = 2
TIMEOUT_S = 400


@dataclass(frozen=True, slots=True)
class Run:
    """The results of one run.

    Attributes:
        made: per generation, hashes of the latents of every step and of the frames.
        reports: per generation, what each worker's probe said, by rank.
        parent: what the probe of the parent said at its end.
        ways: per process that was entered, by pid, who asked for the hooks of SGLang: ``import`` or ``plugin``, each time.
        log: what all processes printed.
        code: the exit status of the parent.
    """

    made: list[dict[str, Any]]
    reports: list[dict[int, dict[str, Any]]]
    parent: dict[str, Any]
    ways: dict[int, list[str]]
    log: str
    code: int

    def entries(self, generation: int, hook: str = EXCHANGE) -> list[list[dict[str, Any]]]:
        """The bound plan entries of a hook of SGLang in each worker, by rank, at the end of a generation."""
        return [
            [b for b in self.reports[generation][rank]["plan"]["bindings"] if _is_bound(b, hook)] for rank in range(RANKS)
        ]

    def calls(self, generation: int, choice: str, hook: str = EXCHANGE) -> list[int]:
        """Return how often each worker had called a choice by the end of a generation, by rank, declined calls left out."""
        return [
            sum(
                by_choice[choice]["calls"] - by_choice[choice]["declines"]
                for entry in entries
                for by_choice in entry["counts"].values()
                if choice in by_choice
            )
            for entries in self.entries(generation, hook)
        ]

    def entered_once(self, version: str) -> bool:
        """Parent and workers were entered, every process once, by the way of its release."""
        way = "plugin" if Version(version) >= Version("0.5.21") else "import"
        workers = {said["pid"] for said in self.reports[0].values()}
        return workers < set(self.ways) and all(ways == [way] for ways in self.ways.values())

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
    made = folder / "made.json"
    command = [HERE / "generate.py", tiny_model("wan"), made, "--ranks", RANKS, "--generations", generations]
    python = release("sglang", version, wheel())
    variables = variables_of(version, folder, choices) | environment
    with started([python, *command, "--master-port", free_port()], folder, variables) as process:
        code = process.wait(TIMEOUT_S)
    return collected(folder, generations, code, json.loads(made.read_text()) if made.exists() else [])


def variables_of(version: str, folder: Path, choices: list[str | None] | None = None) -> dict[str, str]:
    """The environment of an engine whose processes report to `folder`."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    return variables | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PROBE_CHOICES": json.dumps(choices or []),
        "PROBE_FOLDER": str(folder),
        "PYTHONPATH": str(HERE / "probe"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache_root() / "inductor" / f"sglang-{version}"),
        "TRANSFORMERS_OFFLINE": "1",
    }


def collected(folder: Path, generations: int, code: int, made: list[dict[str, Any]]) -> Run:
    """Return what an engine that has ended left in `folder`; a server may have warmed up, which is a generation too."""
    found = [json.loads(file.read_text()) for file in folder.glob("denoised-*.json")]
    generations = max([generations, *(said["generation"] + 1 for said in found)])
    reports: list[dict[int, dict[str, Any]]] = [{} for _ in range(generations)]
    for said in found:
        reports[said["generation"]][said["rank"]] = said
    parent = folder / "parent.json"
    said_at_the_end = json.loads(parent.read_text()) if parent.exists() else {}
    ways = {int(file.name.partition("-")[2]): file.read_text().split() for file in folder.glob("ways-*")}
    return Run(made, reports, said_at_the_end, ways, (folder / "log").read_text(), code)


def free_port() -> int:
    """A TCP port that nobody listens on. SGLang's default is one fixed port, which another engine may hold."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(command: list[object], folder: Path, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a session of its own, so that no worker outlives an engine that hangs or is killed."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
