"""``sampler_logprob_gather`` with the padded ids built on the host and sent in one asynchronous copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

_PADDING = torch.iinfo(torch.int64).min  # no token id, so that ids and padding travel in one matrix


def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See the contract. Declines a call with a row outside of ``scores``, so that upstream raises its own error."""
    batch = scores.shape[0]
    if token_ids and (min(token_ids) < 0 or max(token_ids) >= batch):
        return NotImplemented  # type: ignore[no-any-return]
    ids = _upload(batch, token_ids, scores.device)
    padding = ids == _PADDING
    ids.masked_fill_(padding, 0)
    ids[:, 0] = sampled
    logprobs = token_logprobs(scores, ids).masked_fill(padding, float("-inf"))
    return ids.to(torch.int32), logprobs, token_ranks(scores, sampled)


def _upload(batch: int, token_ids: Mapping[int, Sequence[int]], device: torch.device) -> torch.Tensor:
    """Send the ids ``[batch, K+1]`` int64, padded, with column 0 left for the sampled tokens.

    The buffer is a fresh pinned allocation per call: PyTorch's caching host allocator hands a block out again only after
    the copies that read it are done, so no step can overwrite what an earlier one still sends, and no pool or event of
    our own is needed.
    """
    width = 1 + max(map(len, token_ids.values()), default=0)
    host = torch.full((batch, width), _PADDING, dtype=torch.int64, pin_memory=device.type == "cuda")
    ids = host.numpy()
    ids[:, 0] = 0
    for row, asked in token_ids.items():
        ids[row, 1 : 1 + len(asked)] = asked
    return host.to(device, non_blocking=True)
