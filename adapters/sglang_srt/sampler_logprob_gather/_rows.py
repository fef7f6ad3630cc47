"""The logprobs of the token ids that each request named, through ``sampler_logprob_gather``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_SMALL = 1 << 16
"""Entries up to which a padded matrix is always made: half a megabyte of token ids."""


def gather_rows(gather: Callable[..., Any], torch: Any, logprobs: Any, token_ids: Sequence[Sequence[int] | None]) -> Any:
    """Gather ``logprobs[row, ids]`` of each row, padded to the longest list, K.

    Args:
        gather: an implementation of ``sampler_logprob_gather``.
        torch: the module.
        logprobs: ``[B, V]`` floating point.
        token_ids: a list per row; None and empty lists name nothing, at least one names something.

    Returns:
        ``[B, K]`` in the dtype and on the device of `logprobs`. `NotImplemented` where the implementation declined, where
        there are more lists than rows, or where the lists differ so much in length that padding them would take four times
        their memory.
    """
    named = {row: ids for row, ids in enumerate(token_ids) if ids}
    batch = logprobs.shape[0]
    if len(token_ids) > batch:
        return NotImplemented  # upstream raises, or gives more values than there are rows
    padded = batch * (1 + max(map(len, named.values())))
    if padded > max(_SMALL, 4 * sum(map(len, named.values()))):
        return NotImplemented
    nothing_sampled = torch.zeros(batch, dtype=torch.long, device=logprobs.device)

    def token_logprobs(scores: Any, ids: Any) -> Any:
        # Indexed as upstream does it: `gather` refuses a negative id, which counts from the end here.
        return scores[torch.arange(batch, device=scores.device).unsqueeze(-1), ids]

    result = gather(logprobs, named, nothing_sampled, token_logprobs, _no_ranks)
    return result if result is NotImplemented else result[1][:, 1:]


def _no_ranks(_: Any, sampled: Any) -> Any:
    """SGLang asks for no ranks here."""
    return sampled
