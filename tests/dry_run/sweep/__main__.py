"""``python -m tests.dry_run.sweep``: run the operators on both devices, compare, and print the differences.

The samples are those of PyTorch's operator database, and the cases of its own test of waits. Twice in the dry run, with values
and without, and once on the simulated device. ``--keep`` writes the result to ``result.json``, for the documentation. A worker
that crashes or hangs is started again behind the operator that it was in.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests import environments

from .compare import Counts, compared
from .reasons import REASONS

ROOT = Path(__file__).parents[3]
RESULT = Path(__file__).with_name("result.json")
CASE = "test_sync_warning: "
SECONDS = 60
"""For one operator."""


def run(python: str | Path, backend: str) -> Counts:
    """Count the waits of every operator; see `worker` for the names of the runs."""
    counts: Counts = {}
    while True:
        reason, current = _run_worker(python, backend, counts)
        if reason is None:
            return counts
        if current is None or current in counts:
            raise RuntimeError(f"the worker of the {backend} device ended outside an operator: {reason}")
        counts[current] = [reason]
        print(f"{backend}: {current}: {reason}", file=sys.stderr, flush=True)


def _run_worker(python: str | Path, backend: str, counts: Counts) -> tuple[str | None, str | None]:
    """Run one worker to its end; return why it ended early, if it did, and the operator it was in."""
    variables = {**os.environ, "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "3", "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", "tests.dry_run.sweep.worker", backend, str(len(counts))]
    worker = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert worker.stdout is not None
    current, pending = None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(SECONDS):
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
                return f"took longer than {SECONDS} s", current
            read = os.read(worker.stdout.fileno(), 1 << 16)
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                said: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}  # an operator may print
                current = said.get("begin", current)
                if "waits" in said:
                    counts[said["name"]] = said["waits"]
    status = worker.wait()
    return (None if status == 0 else f"ended the process with {f'signal {-status}' if status < 0 else f'status {status}'}"), current


def main() -> int:
    """Run, compare and print.

    Status 1 where an operator that waits in PyTorch's code is free on the simulated device, or the differences are not those of
    `reasons`.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.dry_run.sweep", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write the result to result.json")
    options = parser.parse_args()
    with_cuda = environments.develop(cuda=True)
    pythons = {"dry-run": with_cuda, "plain": with_cuda, "simulated": environments.develop()}
    with ThreadPoolExecutor(2) as pool:
        with_values, plain, of_simulated = pool.map(lambda name: run(pythons[name], name), pythons)
    (pin,) = (pin for pin in environments.load("torch").requirements if pin.startswith("torch=="))
    result = {"torch": pin.removeprefix("torch=="), **compared(with_values, plain, of_simulated)}
    result["cases"] = {name: with_values[name][0] for name in with_values if name.startswith(CASE)}
    print(json.dumps({key: len(value) if hasattr(value, "__len__") else value for key, value in result.items()}))
    for key in ("free on the simulated device", "fewer", "more", "only on the simulated device"):
        for name, difference in result[key].items():
            print(f"{key}: {name}: {difference}: {REASONS.get(name, 'NOT EXPECTED')}")
    if options.keep:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    differing = {name for key in ("only on the simulated device", "fewer", "more") for name in result[key]}
    return 1 if result["free on the simulated device"] or differing != REASONS.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
