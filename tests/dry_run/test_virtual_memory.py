"""Memory that is reserved and mapped piece by piece, as expandable segments are, and shared by ranks, as symmetric memory is."""

from __future__ import annotations

import os
import subprocess
import sys

from .test_collectives import ended, start

PROLOGUE = "from syncfree.audit import dry_run; dry_run.install(); import torch; "
SEGMENTS = """
kept = [torch.arange(1 << 20).pin_memory().to("cuda") for _ in range(8)]
before = torch.cuda.memory_reserved()
assert all(one.cpu().equal(torch.arange(1 << 20)) for one in kept)
assert all(one["is_expandable"] for one in torch.cuda.memory_snapshot())
assert before % (2 << 20) == 0 and before >= 8 * (8 << 20)
free, total = torch.cuda.mem_get_info()
assert total - free == before, (total - free, before)
del kept
torch.cuda.empty_cache()
assert torch.cuda.memory_reserved() == 0 and torch.cuda.mem_get_info()[0] == total
try:
    torch.empty(2 << 30, dtype=torch.uint8, device="cuda")
except torch.OutOfMemoryError:
    print("more than the device has")
"""
SYMMETRIC = """
import os
import torch.distributed as dist
import torch.distributed._symmetric_memory as symmetric
rank = int(os.environ["RANK"])
torch.cuda.set_device(rank)
dist.init_process_group("nccl")
mine = symmetric.empty(1000, dtype=torch.float32, device=torch.device("cuda", rank))
mine.copy_(torch.full((1000,), rank + 1.0))
handle = symmetric.rendezvous(mine, dist.group.WORLD.group_name)
dist.barrier()
other = handle.get_buffer(1 - rank, (1000,), torch.float32)
print(other.cpu().unique().tolist(), handle.world_size)
dist.barrier()
os._exit(0)
"""


def test_expandable_segments_hold_values_are_counted_and_given_back() -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTORCH_NO_CUDA_MEMORY_CACHING"}  # of conftest.py
    variables = inherited | {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True", "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + SEGMENTS], env=variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "more than the device has"


def test_a_rank_reads_the_symmetric_memory_of_another() -> None:
    results = ended(start(2, "-c", PROLOGUE + SYMMETRIC))
    assert [status for status, _, _ in results] == [0, 0], results[0][2][-3000:]
    assert [output.splitlines()[-1] for _, output, _ in results] == ["[2.0] 2", "[1.0] 2"]
