"""Run a program of `programs/` in an environment that has a real vLLM and our wheel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.environments import build, cache_root, content_key, made_once, python_of, release, wheel

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
NEWEST = "0.32.0"


def environment(**variables: str) -> dict[str, str]:
    """The variables of a vLLM process; none of ours is inherited."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "VLLM_"))}
    return {
        **inherited,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROGRAMS),
        "TORCHINDUCTOR_CACHE_DIR": str(cache_root() / "inductor"),
        "VLLM_NO_USAGE_STATS": "1",
        **variables,
    }


def python(version: str = NEWEST, *installs: str | Path) -> Path:
    """The interpreter of an environment with this vLLM (before 0.28: a hybrid) and the wheel of the working tree."""
    return release("vllm", version, wheel(), *installs)


def model(name: str) -> Path:
    """A tiny random-weight model, ``llama`` or ``qwen3moe``."""
    program = PROGRAMS / "models.py"

    def make(folder: Path) -> None:
        subprocess.run([python_of(build(f"vllm-{NEWEST}")), "-W", "ignore", program, folder], check=True)

    return made_once(cache_root() / "models" / f"vllm-{content_key([program])}", make) / name


def start(interpreter: Path, program: str, *arguments: object, log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a program; its output and its log go to a file."""
    command = [interpreter, PROGRAMS / f"{program}.py", *map(str, arguments)]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, env=environment(**variables), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def finish(process: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> str:
    """Wait for a program to end well; return its log."""
    try:
        code: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        kill(process)
    text = log.read_text(errors="replace")
    assert code == 0, f"ended with {code} (None: not within {seconds} s):\n{text[-6000:]}"
    return text


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a program that `start` started, and every process that vLLM started for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def generate(folder: Path, version: str, *choices: str, **variables: str) -> dict[str, Any]:
    """Run `offline.py` with a tiny Llama; return what it told, and the log of all processes."""
    log, result = folder / "log", folder / "result.json"
    started = start(python(version), "offline", model("llama"), result, *choices, log=log, **variables)
    text = finish(started, log)
    return {**json.loads(result.read_text()), "log": text}


def binding(report: dict[str, Any], hook: str, target: str | None = None) -> dict[str, Any]:
    """A hook's line of the plan that a process told; the one of a target where there are several."""
    lines = (entry for entry in report["plan"]["bindings"] if entry["hook"] == hook)
    (found,) = (entry for entry in lines if target is None or target in entry["targets"])
    return dict(found)
