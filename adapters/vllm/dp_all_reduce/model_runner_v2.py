"""``sync_cudagraph_and_dp_padding`` of Model Runner V2: the exchange of data-parallel ranks, and what they conclude.

Every release has this function, and every way to the exchange goes through it: the model's batch, the drafter's, and the
dummy batches by which a rank without requests keeps step with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from syncfree.adapting import Binding, Form

from . import _batch

Function = Callable[..., Any]


def _compose(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
    ) -> Any:
        local = (num_tokens, desired_batch_desc.cg_mode.value, uniform_token_count or 0)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented
        return _batch.batch_before_0_29(vllm, rows, cudagraph_manager, num_tokens, num_reqs, {}, {})

    return sync_cudagraph_and_dp_padding


def _compose_from_0_24(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        num_active_loras: int = 0,
    ) -> Any:
        local = (num_tokens, desired_batch_desc.cg_mode.value, uniform_token_count or 0)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented
        eager, graph = {"num_active_loras": desired_batch_desc.num_active_loras}, {"num_active_loras": num_active_loras}
        return _batch.batch_before_0_29(vllm, rows, cudagraph_manager, num_tokens, num_reqs, eager, graph)

    return sync_cudagraph_and_dp_padding


def _compose_from_0_28(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        max_query_len: int | None = None,
        num_active_loras: int = 0,
    ) -> Any:
        local = (num_tokens, desired_batch_desc.cg_mode.value, uniform_token_count or 0, max_query_len or -1)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented
        eager = {"num_active_loras": desired_batch_desc.num_active_loras}
        graph = {"num_active_loras": num_active_loras, "max_query_len": None if -1 in rows[3] else max(rows[3])}
        return _batch.batch_before_0_29(vllm, rows, cudagraph_manager, num_tokens, num_reqs, eager, graph)

    return sync_cudagraph_and_dp_padding


def _compose_from_0_29(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        max_query_len: int | None = None,
        num_active_loras: int = 0,
    ) -> Any:
        local = (num_tokens, desired_batch_desc.cg_mode.value, uniform_token_count or 0, max_query_len or -1)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented
        eager = _eager(vllm, desired_batch_desc, num_tokens, num_reqs)
        return _batch.batch_from_0_29(
            vllm, rows, cudagraph_manager, eager, num_active_loras, lambda agreed: None, lambda batch: {}
        )

    return sync_cudagraph_and_dp_padding


def _compose_from_0_30(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__
    full = vllm["CUDAGraphMode"].FULL

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        max_query_len: int | None = None,
        num_active_loras: int = 0,
        parallel_config: Any = None,
        allow_ubatching: bool = False,
        uniform_decode: bool = False,
    ) -> Any:
        mode = desired_batch_desc.cg_mode.value
        local = (num_tokens, mode, uniform_token_count or 0, max_query_len or -1, int(allow_ubatching), num_reqs)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented

        def more(batch: Any) -> dict[str, Any]:
            padded = batch.cg_mode == full and batch.num_reqs is not None
            return {"num_reqs": batch.num_reqs if padded else max(rows[5])}

        eager = _eager(vllm, desired_batch_desc, num_tokens, num_reqs)
        mine = num_reqs, num_active_loras, uniform_token_count, parallel_config, uniform_decode
        microbatched = partial(_batch.microbatch, vllm, rows, cudagraph_manager, *mine)
        return _batch.batch_from_0_29(vllm, rows, cudagraph_manager, eager, num_active_loras, microbatched, more)

    return sync_cudagraph_and_dp_padding


def _compose_from_0_33(all_reduce: Function, upstream: Function) -> Function:
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        max_query_len: int | None = None,
        num_active_loras: int = 0,
        parallel_config: Any = None,
        allow_ubatching: bool = False,
        uniform_decode: bool = False,
        allow_skip_drafts: bool = False,
    ) -> Any:
        mode, query = desired_batch_desc.cg_mode.value, max_query_len or -1
        votes = int(allow_ubatching), num_reqs, int(allow_skip_drafts)
        local = (num_tokens, mode, uniform_token_count or 0, query, *votes)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented

        def more(batch: Any) -> dict[str, Any]:
            return {"num_reqs": max(rows[5]), "skip_drafts": all(vote == 1 for vote in rows[6])}

        eager = _eager(vllm, desired_batch_desc, num_tokens, num_reqs)
        mine = num_reqs, num_active_loras, uniform_token_count, parallel_config, uniform_decode
        microbatched = partial(_batch.microbatch, vllm, rows, cudagraph_manager, *mine)
        return _batch.batch_from_0_29(vllm, rows, cudagraph_manager, eager, num_active_loras, microbatched, more)

    return sync_cudagraph_and_dp_padding


def _eager(vllm: Any, desired: Any, num_tokens: int, num_reqs: int) -> Any:
    return vllm["BatchExecutionDescriptor"](
        cg_mode=vllm["CUDAGraphMode"].NONE,
        num_tokens=num_tokens,
        num_reqs=num_reqs,
        num_active_loras=desired.num_active_loras,
    )


_WHY = "over Gloo on the CPU, so nothing stalls; by name, lists instead of tensors, and `shm_mailbox` instead of Gloo"
BINDING = Binding(
    hook="dp_all_reduce",
    targets=("vllm.v1.worker.gpu.dp_utils:sync_cudagraph_and_dp_padding",),
    forms=(
        Form(">=0.18.0,<0.24", "upstreamed", _WHY, (_compose,)),
        Form(">=0.24.0,<0.28", "upstreamed", _WHY, (_compose_from_0_24,)),
        Form(">=0.28.0,<0.29", "upstreamed", _WHY, (_compose_from_0_28,)),
        Form(">=0.29.0,<0.30", "upstreamed", _WHY, (_compose_from_0_29,)),
        Form(">=0.30.0,<0.33", "upstreamed", _WHY, (_compose_from_0_30,)),
        Form(">=0.33.0", "upstreamed", "a cheaper exchange over Gloo; " + _WHY, (_compose_from_0_33,)),
    ),
    note="Model Runner V2 only",
)
