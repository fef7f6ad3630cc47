"""Collectives of NCCL between processes in the dry run: the values are Gloo's, and a rank that does not come is an error."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def start(ranks: int, *program: str, **settings: str) -> list[subprocess.Popen[str]]:
    """Start a program once per rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        "SYNC_AUDIT_DRY_RUN_DEVICES": str(ranks),
        "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "1",
        "WORLD_SIZE": str(ranks),
    }
    return [
        subprocess.Popen(
            [sys.executable, *program],
            cwd=ROOT,
            env=os.environ | common | settings | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit status and both outputs of every rank."""
    try:
        outputs = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module", params=[2, 4])
def found(request: pytest.FixtureRequest) -> list[dict[str, dict[str, Any]]]:
    """By rank: what every collective gave."""
    results = ended(start(request.param, "-m", "tests.dry_run.collectives_on_ranks"))
    assert [status for status, _, _ in results] == [0] * request.param, results[0][2][-3000:]
    return [json.loads(output.splitlines()[-1]) for _, output, _ in results]


def test_values_are_those_of_gloo(found: list[dict[str, dict[str, Any]]]) -> None:
    for by_case in found:
        assert len(by_case) > 40
        assert {name: one for name, one in by_case.items() if not one["equal"]} == {}


def test_a_collective_does_not_make_the_host_wait(found: list[dict[str, dict[str, Any]]]) -> None:
    for by_case in found:
        assert {name: one["waits"] for name, one in by_case.items() if one["waits"]} == {}


def test_nothing_is_left_in_shared_memory(found: list[dict[str, dict[str, Any]]]) -> None:
    assert found
    assert list(Path("/dev/shm").glob("syncfree-nccl-*")) == []


# A rank that fails ends at once: torch 2.9 waits for threads of its own when a process ends whose group was not destroyed.
PROLOGUE = """
from syncfree.audit import dry_run
dry_run.install()
import torch, os, sys, traceback
import torch.distributed as dist

def end(*error):
    traceback.print_exception(*error, file=sys.__stderr__)
    os._exit(1)

sys.excepthook = end
rank = int(os.environ["RANK"])
torch.cuda.set_device(rank)
dist.init_process_group("nccl")
x = torch.ones(4, device="cuda")
dist.all_reduce(x)
"""


def test_a_rank_that_does_not_come_is_an_error_with_a_sentence() -> None:
    program = PROLOGUE + "import time\ndist.all_reduce(x) if rank == 0 else time.sleep(4)\nos._exit(0)"
    first, _ = ended(start(2, "-c", program, SYNC_AUDIT_DRY_RUN_NCCL_TIMEOUT_S="2"))
    assert first[0] != 0
    assert "ncclAllReduce of 16 bytes: rank 0 of 2 waits for rank 1, which did not come within 2 s" in first[2]
    assert re.search(r"^(torch\.distributed\.DistBackendError|RuntimeError): .*NCCL", first[2], re.MULTILINE)  # the latter from torch 2.15


def test_a_rank_that_has_ended_is_an_error_at_once() -> None:
    program = PROLOGUE + "dist.all_reduce(x) if rank == 0 else None\nos._exit(0)"
    first, second = ended(start(2, "-c", program))
    assert second[0] == 0
    assert "waits for rank 1, whose process has ended or left the communicator" in first[2]


def test_ranks_in_different_collectives_are_an_error_that_names_both() -> None:
    program = PROLOGUE + "dist.all_reduce(x) if rank == 0 else dist.broadcast(x, 0)\nimport time; time.sleep(3); os._exit(0)"
    _, second = ended(start(2, "-c", program))
    assert "rank 0 called ncclAllReduce with 16 bytes and rank 1 ncclBroadcast with 16 bytes; on a GPU they would hang" in second[2]
