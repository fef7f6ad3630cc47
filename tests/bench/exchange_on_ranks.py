"""The work of each rank of the exchange benchmark: Q, K and V of one attention call gathered four ways, in interleaved blocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from syncfree.adapters.sglang.sequence_parallel_all_to_all._qkv import gather
from syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all as packed
from syncfree.plugins.sync_free.sequence_parallel_all_to_all import sequence_parallel_all_to_all as sync_free
from tests.contract.support.attention_on_ranks import paths_agree
from tests.contract.support.usp_on_ranks import define_usp

SIDES = ("functional", "direct", "overlapped", "packed")
"""SGLang 0.5.11's exchange and 0.5.12.post1's, three times; `sync_free` and `packed_all_to_all`, one call for three."""

Shape = tuple[int, int, int, int]


def seconds_per_attention(usp_functional: Path, usp_direct: Path, shape: Shape, rounds: int) -> dict[str, list[float]]:
    """Seconds to gather Q, K and V ``[b, s, h, d]`` (float32) once, per side one figure per round.

    Blocks of all sides alternate, and their order turns from round to round; the first round warms up. All sides' bytes are
    compared first.
    """
    functional, direct = define_usp(usp_functional), define_usp(usp_direct)
    generator = torch.Generator().manual_seed(dist.get_rank())
    qkv = [torch.randn(shape, generator=generator) for _ in range(3)]
    calls: dict[str, Callable[[], list[torch.Tensor]]] = {
        "functional": lambda: [functional["_usp_input_all_to_all"](x, head_dim=2) for x in qkv],
        "direct": lambda: [direct["_usp_input_all_to_all"](x, head_dim=2) for x in qkv],
        "overlapped": lambda: gather(sync_free, direct, *qkv),
        "packed": lambda: gather(packed, direct, *qkv),
    }
    expected = calls["functional"]()
    for name, call in calls.items():
        if not all(map(torch.equal, call(), expected)):
            raise AssertionError(f"{name} moved other bytes")
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    runs = max(2, min(40, 2**20 // qkv[0].numel()))
    for turn in range(-1, rounds):
        for side in range(len(SIDES)):
            name = SIDES[(side + turn) % len(SIDES)]
            dist.barrier()
            start = time.perf_counter()
            for _ in range(runs):
                calls[name]()
            if turn >= 0:
                seconds[name].append((time.perf_counter() - start) / runs)
    return seconds


def collectives(folder: Path, release: str, choice: str) -> dict[str, Any]:
    """Collectives of one attention call by path, upstream's and ours; see `paths_agree`."""
    found = paths_agree(folder, release, choice, torch.float32)
    return {name: path["collectives"] for name, path in found.items() if path["collectives"] != (0, 0)}
