"""The conclusions of the data-parallel ranks of Model Runner V2 from each other's numbers, on lists.

The numbers come as rows, one per quantity, in the order of upstream's tensor; a row has one number per rank. Upstream does
the same with some twenty operations on tensors of a few numbers. ``vllm`` is the namespace of the target's module.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = list[list[int]]
Fields = Callable[[Mapping[str, Any], Rows, Any], Mapping[str, Any]]
"""Of the target's namespace, the rows and the batch, what a release's DPSyncState has besides what all have."""


def rows_of(
    all_reduce: Callable[..., Any], vllm: Mapping[str, Any], local: Sequence[int], rank: int, size: int
) -> Rows | None:
    """Exchange this rank's numbers; None when the implementation declines. From 0.30 there may be nothing to coordinate."""
    assert size > 1, "DP size must be greater than 1"
    skip = vllm.get("should_skip_dp_coordination")
    if skip is not None and skip():
        return [[number] * size for number in local]
    matrix = all_reduce(local, rank, size, vllm["get_dp_group"]().cpu_group, "cpu")
    return None if matrix is NotImplemented else matrix.tolist()


def int32(torch: Any, numbers: Sequence[int]) -> Any:
    """A new int32 tensor on the host; a third of the time that ``torch.tensor`` takes for a few numbers."""
    return torch.frombuffer(array("i", numbers), dtype=torch.int32)


def batch_before_0_29(
    vllm: Mapping[str, Any],
    rows: Rows,
    manager: Any,
    num_tokens: int,
    num_reqs: int,
    for_eager: Mapping[str, Any],
    for_graph: Mapping[str, Any],
) -> tuple[Any, Any]:
    """The batch to run, and the tokens of each rank, int32 ``[size]`` (None when no rank has work).

    Args:
        vllm: see the module.
        rows: tokens, CUDA graph modes, uniform token counts; further ones are not looked at.
        manager: upstream's CudaGraphManager.
        num_tokens: this rank's.
        num_reqs: this rank's.
        for_eager: more fields of a batch without a CUDA graph.
        for_graph: more arguments of the look-up of a CUDA graph.
    """
    torch, descriptor, mode_type = vllm["torch"], vllm["BatchExecutionDescriptor"], vllm["CUDAGraphMode"]
    tokens, modes, uniform, *_ = rows
    if not any(tokens):
        return descriptor(cg_mode=mode_type.NONE, num_tokens=0, num_reqs=0), None
    if min(modes) == mode_type.NONE.value:
        eager = descriptor(cg_mode=mode_type.NONE, num_tokens=num_tokens, num_reqs=num_reqs, **for_eager)
        return eager, int32(torch, tokens)
    _assert_manager(manager)
    graph = manager.dispatch(num_reqs, max(tokens), _agreed(uniform), **for_graph)
    return graph, int32(torch, [graph.num_tokens] * len(tokens))


def batch_from_0_29(
    vllm: Mapping[str, Any],
    rows: Rows,
    manager: Any,
    eager: Any,
    num_active_loras: int,
    mine: tuple[int | None, Any, bool],
    fields: Fields,
) -> tuple[Any, Any]:
    """The batch to run, and upstream's DPSyncState (None when no rank has work).

    Args:
        vllm: see the module.
        rows: tokens, CUDA graph modes, uniform token counts, longest queries; then, where ranks vote on them, microbatches.
        manager: upstream's CudaGraphManager.
        eager: this rank's batch without a CUDA graph.
        num_active_loras: this rank's.
        mine: this rank's uniform token count, its parallel configuration, and whether it decodes only.
        fields: see `Fields`.
    """
    torch, mode_type = vllm["torch"], vllm["CUDAGraphMode"]
    tokens, modes, uniform, queries, *_ = rows
    if not any(tokens):
        return vllm["BatchExecutionDescriptor"](cg_mode=mode_type.NONE, num_tokens=0, num_reqs=0), None
    agreed = _agreed(uniform)
    batch = _microbatch(vllm, rows, manager, eager.num_reqs, num_active_loras, agreed, *mine) if len(rows) > 4 else None
    if batch is not None:
        without_graph = batch.cg_mode == mode_type.NONE
    elif min(modes) == mode_type.NONE.value:
        state = vllm["DPSyncState"](
            num_tokens_across_dp=int32(torch, tokens),
            uniform_token_count=agreed,
            eager=True,
            **fields(vllm, rows, eager),
        )
        return eager, state
    else:
        _assert_manager(manager)
        query = None if -1 in queries else max(queries)
        batch = manager.dispatch(eager.num_reqs, max(tokens), agreed, num_active_loras=num_active_loras, max_query_len=query)
        without_graph = False
    state = vllm["DPSyncState"](
        num_tokens_across_dp=int32(torch, [batch.num_tokens] * len(tokens)),
        uniform_token_count=agreed,
        eager=without_graph,
        **fields(vllm, rows, batch),
    )
    return batch, state


def _microbatch(
    vllm: Mapping[str, Any],
    rows: Rows,
    manager: Any,
    num_reqs: int,
    num_active_loras: int,
    agreed: int | None,
    uniform_token_count: int | None,
    parallel_config: Any,
    uniform_decode: bool,
) -> Any:
    """The batch split in microbatches; None when a rank does not allow it, or when the smallest batch is too small."""
    tokens, uniform, allowed = rows[0], rows[2], rows[4]
    if any(vote != 1 for vote in allowed):
        return None
    assert parallel_config is not None
    decode = uniform_decode and all(count == (uniform_token_count or 0) for count in uniform)
    if not vllm["check_ubatch_thresholds"](parallel_config, min(tokens), uniform_decode=decode):
        return None
    parts = vllm["get_num_ubatches"](parallel_config)
    if manager is not None:
        batch = manager.dispatch(num_reqs, max(tokens), agreed, num_active_loras=num_active_loras, num_ubatches=parts)
        if 2 * min(tokens) >= batch.num_tokens:
            return batch
    none = vllm["CUDAGraphMode"].NONE
    return vllm["BatchExecutionDescriptor"](cg_mode=none, num_tokens=max(tokens), num_reqs=num_reqs, num_ubatches=parts)


def _agreed(uniform: list[int]) -> int | None:
    """The uniform token count of all ranks; None when they differ or have none."""
    return uniform[0] if uniform[0] != 0 and uniform.count(uniform[0]) == len(uniform) else None


def _assert_manager(manager: Any) -> None:
    assert manager is not None, (
        "cudagraph_manager should only be None during profile run, where synced_cg_mode must be NONE across all DP ranks"
    )
