"""The work of a rank in the benchmark of data-parallel coordination."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

import torch.distributed as dist

from tests.contract.support.vllm_on_ranks import both_v1, both_v2, v1_config, v2_functions

ROWS = {"V1": ("V1", "0.32.0"), "V2": ("V2", "0.32.0"), "V2 of 0.33.0": ("V2", "0.33.0")}
"""The model runner and the release of each row; from 0.33.0 V2's ranks exchange in pairs, without a collective."""
PLUGIN = "shm_mailbox"


def block(row: str, ours: bool, calls: int) -> float:
    """Seconds per call of one block, on this rank."""
    call = _calls(row)[ours]
    call()
    start = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - start) / calls


@cache
def _calls(row: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    runner, release = ROWS[row]
    if runner == "V1":
        config = v1_config(gloo=True)
        theirs, ours = (space["_synchronize_dp_ranks"] for space in both_v1(release, "cpu", dist.group.WORLD, PLUGIN))
        return lambda: theirs(5, 8, False, 0, config), lambda: ours(5, 8, False, 0, config)
    functions = v2_functions(release)
    none = functions["CUDAGraphMode"].NONE
    batch = functions["BatchExecutionDescriptor"](cg_mode=none, num_tokens=5, num_reqs=5)
    mine = (None, batch, 5, 5, 1, dist.get_world_size(), dist.get_rank())
    upstream, bound = both_v2(release, PLUGIN)
    return lambda: upstream(*mine), lambda: bound(*mine)
