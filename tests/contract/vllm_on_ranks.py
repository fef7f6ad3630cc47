"""What a rank of `gloo_ranks` runs in the tests of vLLM's collectives."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist

from syncfree.adapters.vllm.dp_all_reduce import BINDING
from syncfree.hooks.dp_all_reduce import reference
from syncfree.plugins.sync_free.dp_all_reduce import dp_all_reduce

from .vllm_releases import define, form_of

Step = tuple[bool, int, int, int]
"""What one rank says before a step: wants micro-batches, tokens, tokens with padding, CUDA graph mode."""


def exchange(local: list[list[int]]) -> list[list[list[int]]]:
    """The reference's and our matrix of ``local[rank]`` on this rank."""
    rank, size = dist.get_rank(), dist.get_world_size()
    results = [call(local[rank], rank, size, dist.group.WORLD, "cpu") for call in (reference, dp_all_reduce)]
    assert all(result.dtype == torch.int32 for result in results)
    return [result.tolist() for result in results]


def run_ar(release: str, gloo: bool, steps: list[Step]) -> tuple[list[list[int]], list[list[int]]]:
    """Upstream's result and ours on this rank for ``steps[rank]``; `gloo` is the path of asynchronous scheduling."""
    config = SimpleNamespace(
        data_parallel_rank=dist.get_rank(),
        data_parallel_size=dist.get_world_size(),
        disable_nccl_for_dp_synchronization=gloo,
    )
    world = dist.group.WORLD
    upstream, bound = both_run_ar(release, torch.device("cpu"), world)
    results = [call(*steps[dist.get_rank()], config) for call in (upstream, bound)]
    assert all(result.dtype == torch.int32 for result in results)
    return results[0].tolist(), results[1].tolist()


@cache
def both_run_ar(release: str, device: torch.device, group: Any) -> tuple[Any, Any]:
    """Upstream's `_run_ar` of a release on a device and a group, and the adapter's replacement for it."""
    namespace: dict[str, Any] = {
        "torch": torch,
        "dist": dist,
        "PIN_MEMORY": device.type == "cuda",
        "logger": SimpleNamespace(info_once=lambda message: None),
        "get_dp_group": lambda: SimpleNamespace(device=device, device_group=group, cpu_group=group),
    }
    upstream = define(release, "v1.worker.dp_utils", ["_run_ar", "_get_device_and_group"], namespace)["_run_ar"]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(dp_all_reduce, upstream)
