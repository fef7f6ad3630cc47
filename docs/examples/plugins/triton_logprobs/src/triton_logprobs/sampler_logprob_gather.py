"""``sampler_logprob_gather`` with the padded ids built by a Triton kernel.

Only what was asked for is uploaded: the ids of all rows one after the other, and where each row's begin. The kernel writes the padded
matrix, as int64 for the framework's arithmetic and as int32 for the result, and which of its places are padding. It moves integers and
computes nothing, and all arithmetic is the framework's own, so the results are equal bit for bit.

Without a GPU, ``TRITON_INTERPRET=1`` runs the kernel in Triton's interpreter; it must be set before this module is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain

import torch
import triton
import triton.language as tl

BLOCK = 128
"""Places of a row that one program writes."""


@triton.jit(do_not_specialize=["batch", "width"])  # both differ from step to step, and must not be compiled for
def _pad(asked, sampled, ids, ids32, padding, batch, width, BLOCK: tl.constexpr):  # noqa: N803
    """Write a block of one row of the matrices ``[batch, width]``; ``asked`` is ``batch + 1`` offsets, then the ids."""
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    first = tl.load(asked + row)
    count = tl.load(asked + row + 1) - first
    is_asked = (place > 0) & (place <= count)
    id_of = tl.load(asked + batch + 1 + first + place - 1, mask=is_asked, other=0)
    id_of = tl.where(place == 0, tl.load(sampled + row), id_of)
    target = row * width + place
    tl.store(ids + target, id_of, mask=place < width)
    tl.store(ids32 + target, id_of.to(tl.int32), mask=place < width)
    tl.store(padding + target, place > count, mask=place < width)


_IS_INTERPRETED = not isinstance(_pad, triton.JITFunction)


def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See the contract. Declines a row outside of ``scores``, and a CPU's tensors where the kernel is not interpreted."""
    batch, device = scores.shape[0], scores.device
    if token_ids and (min(token_ids) < 0 or max(token_ids) >= batch):
        return NotImplemented  # type: ignore[no-any-return]
    if device.type == "cpu" and not _IS_INTERPRETED:
        return NotImplemented  # type: ignore[no-any-return]
    width = 1 + max(map(len, token_ids.values()), default=0)
    ids = torch.empty(batch, width, dtype=torch.int64, device=device)
    ids32 = torch.empty(batch, width, dtype=torch.int32, device=device)
    padding = torch.empty(batch, width, dtype=torch.bool, device=device)
    asked = _upload(batch, token_ids, device)
    if batch:
        _pad[(batch, triton.cdiv(width, BLOCK))](asked, sampled.contiguous(), ids, ids32, padding, batch, width, BLOCK=BLOCK)
    logprobs = token_logprobs(scores, ids).masked_fill(padding, float("-inf"))
    return ids32, logprobs, token_ranks(scores, sampled)


def _upload(batch: int, token_ids: Mapping[int, Sequence[int]], device: torch.device) -> torch.Tensor:
    """Send where each row's ids begin and the ids ``[batch + 1 + all]`` int64, in one copy in stream order.

    Its pinned memory is its own: PyTorch hands it out again only when the copy is done.
    """
    rows = [token_ids.get(row, ()) for row in range(batch)]
    offsets = accumulate(map(len, rows), initial=0)
    values = torch.tensor([*offsets, *chain.from_iterable(rows)], dtype=torch.int64, pin_memory=device.type == "cuda")
    return values.to(device, non_blocking=True)
