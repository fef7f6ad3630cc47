"""``sampler_logprob_gather`` with both padded matrices built on the host and sent in one asynchronous copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np
import torch


def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See the contract. Declines a call with a row outside of ``scores``, so that upstream raises its own error."""
    batch = scores.shape[0]
    rows = np.fromiter(token_ids, np.int64, len(token_ids))
    if rows.size and (rows.min() < 0 or rows.max() >= batch):
        return NotImplemented  # type: ignore[no-any-return]
    ids, padding = _upload(batch, rows, token_ids, scores.device)
    ids[:, 0] = sampled
    logprobs = token_logprobs(scores, ids).masked_fill(padding, float("-inf"))
    return ids.to(torch.int32), logprobs, token_ranks(scores, sampled)


def _upload(
    batch: int, rows: np.ndarray, token_ids: Mapping[int, Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids ``[batch, K+1]`` int64, column 0 left for the sampled tokens, and where they are padding, bool.

    Both lie in one buffer, ids first because they need the alignment, so that one copy takes them over. The buffer is a
    fresh pinned allocation per call: PyTorch's caching host allocator hands a block out again only after the copies that
    read it are done, so no step can overwrite what an earlier one still sends, and no pool or event of our own is needed.
    """
    lengths = np.fromiter(map(len, token_ids.values()), np.int64, len(token_ids))
    longest = int(lengths.max(initial=0))
    cells = batch * (longest + 1)
    host = torch.empty(cells * 9, dtype=torch.uint8, pin_memory=device.type == "cuda")
    buffer = host.numpy()
    ids = buffer[: cells * 8].view(np.int64).reshape(batch, longest + 1)
    padding = buffer[cells * 8 :].view(np.bool_).reshape(batch, longest + 1)

    ids[:] = 0
    padding[:] = True
    padding[:, 0] = False
    padding[rows, 1:] = np.arange(longest) >= lengths[:, None]
    asked = np.zeros((len(rows), longest), np.int64)
    asked[~padding[rows, 1:]] = np.fromiter(chain.from_iterable(token_ids.values()), np.int64, int(lengths.sum()))
    ids[rows, 1:] = asked

    sent = host.to(device, non_blocking=True)
    shape = (batch, longest + 1)
    return sent[: cells * 8].view(torch.int64).view(shape), sent[cells * 8 :].view(torch.bool).view(shape)
