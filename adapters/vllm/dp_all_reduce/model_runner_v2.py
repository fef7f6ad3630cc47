"""``sync_cudagraph_and_dp_padding`` of Model Runner V2: the exchange of data-parallel ranks, and what they conclude.

Every release has this function, and every way to the exchange goes through it: the model's batch, the drafter's, and the
dummy batches by which a rank without requests keeps step with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Compose, Form

from . import _batch

Function = Callable[..., Any]


def _compose_before_0_29(all_reduce: Function, upstream: Function) -> Function:
    """To 0.28. After the rank comes nothing, from 0.24 the number of LoRAs, in 0.28 the longest query and then that."""
    vllm = upstream.__globals__

    def sync_cudagraph_and_dp_padding(
        cudagraph_manager: Any,
        desired_batch_desc: Any,
        num_tokens: int,
        num_reqs: int,
        uniform_token_count: int | None,
        dp_size: int,
        dp_rank: int,
        *added: int | None,
    ) -> Any:
        local: tuple[int, ...] = (num_tokens, desired_batch_desc.cg_mode.value, uniform_token_count or 0)
        if len(added) == 2:
            local += (added[0] or -1,)
        rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
        if rows is None:
            return NotImplemented
        if not added:
            return _batch.batch_before_0_29(vllm, rows, cudagraph_manager, num_tokens, num_reqs, {}, {})
        eager, graph = {"num_active_loras": desired_batch_desc.num_active_loras}, {"num_active_loras": added[-1]}
        if len(added) == 2:
            graph["max_query_len"] = None if -1 in rows[3] else max(rows[3])
        return _batch.batch_before_0_29(vllm, rows, cudagraph_manager, num_tokens, num_reqs, eager, graph)

    return sync_cudagraph_and_dp_padding


def _compose_from_0_29(fields: _batch.Fields) -> Compose:
    """From 0.29; ranks vote on microbatches from 0.30, and on drafts from 0.33. `fields`: those the release's state has."""

    def compose(all_reduce: Function, upstream: Function) -> Function:
        vllm = upstream.__globals__

        def sync_cudagraph_and_dp_padding(
            cudagraph_manager: Any,
            desired_batch_desc: Any,
            num_tokens: int,
            num_reqs: int,
            uniform_token_count: int | None,
            dp_size: int,
            dp_rank: int,
            max_query_len: int | None,
            num_active_loras: int,
            parallel_config: Any = None,
            allow_ubatching: bool | None = None,
            uniform_decode: bool = False,
            *allow_skip_drafts: bool,
        ) -> Any:
            mode = desired_batch_desc.cg_mode.value
            local: tuple[int, ...] = (num_tokens, mode, uniform_token_count or 0, max_query_len or -1)
            if allow_ubatching is not None:
                local += (int(allow_ubatching), num_reqs, *map(int, allow_skip_drafts))
            rows = _batch.rows_of(all_reduce, vllm, local, dp_rank, dp_size)
            if rows is None:
                return NotImplemented
            eager = vllm["BatchExecutionDescriptor"](
                cg_mode=vllm["CUDAGraphMode"].NONE,
                num_tokens=num_tokens,
                num_reqs=num_reqs,
                num_active_loras=desired_batch_desc.num_active_loras,
            )
            mine = uniform_token_count, parallel_config, uniform_decode
            return _batch.batch_from_0_29(vllm, rows, cudagraph_manager, eager, num_active_loras, mine, fields)

        return sync_cudagraph_and_dp_padding

    return compose


def _no_more(vllm: Any, rows: _batch.Rows, batch: Any) -> dict[str, Any]:
    return {}


def _requests(vllm: Any, rows: _batch.Rows, batch: Any) -> dict[str, Any]:
    padded = batch.cg_mode == vllm["CUDAGraphMode"].FULL and batch.num_reqs is not None
    return {"num_reqs": batch.num_reqs if padded else max(rows[5])}


def _requests_and_drafts(vllm: Any, rows: _batch.Rows, batch: Any) -> dict[str, Any]:
    return {"num_reqs": max(rows[5]), "skip_drafts": all(vote == 1 for vote in rows[6])}


_WHY = "over Gloo on the CPU, so nothing stalls; by name, lists instead of tensors, and `shm_mailbox` instead of Gloo"
BINDING = Binding(
    hook="dp_all_reduce",
    targets=("vllm.v1.worker.gpu.dp_utils:sync_cudagraph_and_dp_padding",),
    forms=(
        Form(">=0.18.0,<0.29", "upstreamed", _WHY, (_compose_before_0_29,)),
        Form(">=0.29.0,<0.30", "upstreamed", _WHY, (_compose_from_0_29(_no_more),)),
        Form(">=0.30.0,<0.33", "upstreamed", _WHY, (_compose_from_0_29(_requests),)),
        Form(">=0.33.0", "upstreamed", "a cheaper exchange over Gloo; " + _WHY, (_compose_from_0_29(_requests_and_drafts),)),
    ),
    note="Model Runner V2 only",
)
