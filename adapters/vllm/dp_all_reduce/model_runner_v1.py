"""Model Runner V1: what data-parallel ranks tell each other before a step, and what they conclude from it.

``_run_ar`` is the exchange. ``_synchronize_dp_ranks`` calls it and reads the matrix one number at a time, up to five
operations on the host with Gloo and as many waits for the device with NCCL; the replacement reads it once, as lists.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from syncfree.adapting import Binding, Form

from ._batch import int32


def _compose_exchange(all_reduce: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    vllm = upstream.__globals__

    def _run_ar(
        should_ubatch: bool,
        orig_num_tokens_per_ubatch: int,
        padded_num_tokens_per_ubatch: int,
        cudagraph_mode: int,
        parallel_config: Any,
    ) -> Any:
        device, group = vllm["_get_device_and_group"](parallel_config)
        return all_reduce(
            (orig_num_tokens_per_ubatch, padded_num_tokens_per_ubatch, 1 if should_ubatch else 0, cudagraph_mode),
            parallel_config.data_parallel_rank,
            parallel_config.data_parallel_size,
            group,
            device,
        )

    return _run_ar


def _compose_conclusion(all_reduce: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    vllm = upstream.__globals__
    torch = vllm["torch"]
    allowed_sync = vllm.get("gpu_sync_allowed", nullcontext)  # from 0.28

    def _synchronize_dp_ranks(
        num_tokens_unpadded: int,
        num_tokens_padded: int,
        should_attempt_ubatching: bool,
        cudagraph_mode: int,
        parallel_config: Any,
    ) -> tuple[bool, Any, int]:
        assert num_tokens_padded >= num_tokens_unpadded
        matrix = vllm["_run_ar"](
            should_ubatch=should_attempt_ubatching,
            orig_num_tokens_per_ubatch=num_tokens_unpadded,
            padded_num_tokens_per_ubatch=num_tokens_padded,
            cudagraph_mode=cudagraph_mode,
            parallel_config=parallel_config,
        )
        with nullcontext() if parallel_config.disable_nccl_for_dp_synchronization else allowed_sync():
            unpadded, padded, ubatching, modes = matrix.tolist()
        mode = min(modes)
        should_ubatch = all(vote == 1 for vote in ubatching) and not vllm["is_last_ubatch_empty"](
            min(unpadded), max(padded), parallel_config.num_ubatches
        )
        if mode != 0 or should_ubatch:
            padded = [max(padded)] * len(padded)
        return should_ubatch, int32(torch, padded), mode

    return _synchronize_dp_ranks


_MODULE = "vllm.v1.worker.dp_utils"
BINDING = Binding(
    hook="dp_all_reduce",
    targets=(f"{_MODULE}:_run_ar", f"{_MODULE}:_synchronize_dp_ranks"),
    depends=(
        f"{_MODULE}:_get_device_and_group",
        f"{_MODULE}:_post_process_ubatch",
        f"{_MODULE}:_post_process_dp_padding",
        f"{_MODULE}:_post_process_cudagraph_mode",
    ),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="stalls",
            why="four blocking host-to-device copies and up to five read-backs per step when async scheduling is off",
            compose=(_compose_exchange, _compose_conclusion),
            torch="<2.15",
        ),
        Form(
            releases=">=0.18.1,<0.22",
            status="upstreamed",
            why="fixed by torch 2.15 (PyTorch #188267), whose store of a number is a fill; the read-backs are left, as in 0.22",
            compose=(_compose_exchange, _compose_conclusion),
            torch=">=2.15",
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 fills the tensor on the host (in pinned memory from 0.30)",
            compose=(_compose_exchange, _compose_conclusion),
        ),
    ),
    note="Model Runner V1 only; with async scheduling, the default, the exchange is over Gloo and nothing stalls",
)
