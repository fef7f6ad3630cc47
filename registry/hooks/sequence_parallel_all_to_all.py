"""Contract of ``sequence_parallel_all_to_all``: sequence shards for head shards, hundreds of times per denoising step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch
    import torch.distributed
    from hypothesis.strategies import SearchStrategy

DIVISIBLE_BY = 12
"""The generated first dimensions are multiples of this, so that 1, 2, 3, 4, 6 and 12 ranks divide them."""


@hookspec
def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: torch.distributed.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """Exchange equal parts of each tensor between all ranks of a group.

    Each tensor is split along dim 0 in as many equal parts as the group has ranks; part ``i`` goes to rank ``i``. The result
    holds the parts received, in rank order.

    All ranks call it in the same order with the same implementation (lockstep): a mixed choice hangs. It makes the host wait
    for nothing but what the back end itself waits for (Gloo exchanges in host memory). It may be traced by torch.compile. It
    may decline, on all ranks alike, before it sends anything.

    Args:
        tensors: one or several tensors ``[n, ...]`` of any dtype, on one device; dim 0 is a multiple of the group's size. Every
            rank passes the same number of tensors with the same shapes and dtypes.
        group: the process group; None is torch.distributed's default group.

    Returns:
        One new tensor per argument, contiguous, of the same shape, dtype and device. The caller may use them on the current
        stream at once; an implementation may not keep them.

    Raises:
        RuntimeError, ValueError: dim 0 cannot be split evenly.

    Mutates:
        Nothing.

    Source:
        SGLang ``runtime/layers/usp.py``; #24366 (0.5.12). ``runtime/layers/attention/layer.py``; #27143 (0.5.13).
    """
    # The reference: everything is gathered everywhere, and the parts that were meant for this rank are kept.
    import torch
    import torch.distributed as dist

    size, rank = dist.get_world_size(group), dist.get_rank(group)
    results = []
    for tensor in tensors:
        if tensor.shape[0] % size:
            raise ValueError(f"dim 0 of {tuple(tensor.shape)} cannot be split in {size} equal parts")
        everybody = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(size)]
        dist.all_gather(everybody, tensor.contiguous(), group=group)
        results.append(torch.cat([theirs.chunk(size)[rank] for theirs in everybody]))
    return tuple(results)


def inputs() -> SearchStrategy[dict[str, Any]]:
    """Generate one to four tensors of one to four dimensions, contiguous or not, for the default group."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def tensor(draw: st.DrawFn) -> torch.Tensor:
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.int64]))
        rest = draw(st.lists(st.integers(1, 5), max_size=3))
        shape = (DIVISIBLE_BY * draw(st.integers(1, 2)), *rest)
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        if draw(st.booleans()):
            return (torch.randn(shape, generator=generator) * 100).to(dtype)
        # A transposed view, the layout that attention hands over.
        return (torch.randn(shape[::-1], generator=generator) * 100).to(dtype).permute(*reversed(range(len(shape))))

    return st.fixed_dictionaries({"tensors": st.lists(tensor(), min_size=1, max_size=4).map(tuple), "group": st.none()})


def on_rank(arguments: dict[str, Any], rank: int, size: int) -> dict[str, Any]:
    """Return the call of one rank, with values of its own in the same layout."""
    for tensor in arguments["tensors"]:
        tensor.add_(rank)
    return arguments


HOOK = Hook(
    name="sequence_parallel_all_to_all",
    spec=sequence_parallel_all_to_all,
    reference=sequence_parallel_all_to_all,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="bytes are moved, nothing is computed"),
    summary="exchange of sequence shards for head shards between the ranks of a diffusion job",
    lockstep=True,
    on_rank=on_rank,
)
