"""Run a program of `programs/` in an environment with a framework as it is built for CUDA."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.environments import cache_root

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 1500


def run(python: Path, program: str, folder: Path, *arguments: object, hooks: bool, values: bool, **variables: str) -> dict[str, Any]:
    """Run a program under ``syncfree audit --backend dry-run``; return what it wrote to the file ``RESULT`` of its environment.

    Args:
        python: the interpreter, of an environment that has our wheel.
        program: the name of a file in `programs/`, without ``.py``.
        folder: an empty one, for the result and the log.
        arguments: of the program.
        hooks: False sets ``SYNCFREE=off``.
        values: compute operators on the host; what could not be is the result's ``about`` ``unreal``.
        variables: of the program's environment, stronger than ours.
    """
    result, audit, log = folder / "found.json", folder / "audit.json", folder / "log"
    choices = {} if hooks else {"SYNCFREE": "off"}
    options = ("--backend", "dry-run", "--json", audit, *(["--values"] if values else []))
    command = [python, "-m", "syncfree.audit", *options, "--", python, PROGRAMS / f"{program}.py", *map(str, arguments)]
    all_variables = environment(**choices, RESULT=str(result), **variables)
    with log.open("wb") as output:
        done = subprocess.run(command, env=all_variables, stdout=output, stderr=subprocess.STDOUT, check=False, timeout=SECONDS)
    assert done.returncode == 0, f"ended with {done.returncode}:\n{log.read_text(errors='replace')[-6000:]}"
    found = dict(json.loads(result.read_text()))
    processes = json.loads(audit.read_text())["processes"]
    found["about"] |= {"values": values, "unreal": sorted({name(line) for process in processes for line in process["unreal"]})}
    return found


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of a program's environment; none of ours and of the frameworks' is inherited."""
    caches = cache_root() / "dry-run-engines"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "VLLM_", "SGLANG_"))}
    return {
        **inherited,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "4",
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TRANSFORMERS_OFFLINE": "1",
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "VLLM_CACHE_ROOT": str(caches / "vllm"),
        "VLLM_NO_USAGE_STATS": "1",
        **variables,
    }


def name(line: str) -> str:
    """Return the operator that a process names in its log: ``_C::rms_norm: no cpu_body at FILE``."""
    return line.partition(": ")[0]
