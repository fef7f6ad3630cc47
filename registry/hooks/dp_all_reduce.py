"""Contract of ``dp_all_reduce``: every data-parallel rank learns the few integers of all ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist


@hookspec
def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """Exchange each rank's integers.

    Every rank of the group calls it at the same point with as many integers, so a mixed choice of implementations can
    hang: the hook is ``lockstep``.

    Args:
        local: this rank's n integers, each within int32. An implementation that refuses them does so before it gives
            anything to the other ranks, so that this rank's next call is still the same exchange.
        rank: this rank's column, 0 to ``size`` - 1.
        size: number of ranks.
        group: the process group of these ranks; its backend works on ``device``.
        device: where the framework wants the result.

    Returns:
        ``[n, size]`` int32 on ``device``; column r holds the integers of rank r. A new tensor that the caller may change.

    Raises:
        TypeError: an item is not an integer.
        ValueError: an item is not within int32 (``RuntimeError`` where torch converts it).
        Exception: whatever the group raises when a rank is lost.

    Mutates:
        Nothing.

    Source:
        vLLM ``v1/worker/dp_utils.py``; #41429 (0.22.0). ``v1/worker/gpu/dp_utils.py`` exchanges over Gloo in every release.
    """
    # The reference: one integer after the other is stored on the device and summed, as in vLLM 0.21.0.
    import torch
    import torch.distributed as dist

    matrix = torch.zeros(len(local), size, dtype=torch.int32, device=device)
    for row, value in enumerate(local):
        matrix[row][rank] = value
    dist.all_reduce(matrix, group=group)
    return matrix


def inputs() -> Any:
    """Generate calls of one rank of a group of one; groups of several ranks need processes, so tests start those themselves."""
    import torch.distributed as dist
    from hypothesis import strategies as st
    from torch._C._distributed_c10d import HashStore

    def group() -> Any:
        if not dist.is_initialized():
            dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
        return dist.group.WORLD

    return st.fixed_dictionaries(
        {
            "local": st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=8),
            "rank": st.just(0),
            "size": st.just(1),
            "group": st.builds(group),
            "device": st.just("cpu"),
        }
    )


def on_rank(arguments: dict[str, Any], rank: int, size: int) -> dict[str, Any]:
    """Return the call of one rank, with integers of its own, in as many rows."""
    import torch.distributed as dist

    local = [value ^ rank for value in arguments["local"]]
    return {**arguments, "local": local, "rank": rank, "size": size, "group": dist.group.WORLD}


HOOK = Hook(
    name="dp_all_reduce",
    spec=dp_all_reduce,
    reference=dp_all_reduce,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are moved, not computed"),
    summary="the integers that data-parallel ranks agree on before a step, from one upload",
    lockstep=True,
    on_rank=on_rank,
)
