"""``stop_token_mask`` without boolean indices, whose number of results the host would have to know."""

from __future__ import annotations

import torch


def stop_token_mask(
    logits: torch.Tensor,
    masked: tuple[torch.Tensor, torch.Tensor],
    restored: tuple[torch.Tensor, torch.Tensor],
    value: torch.Tensor,
) -> None:
    """See the contract. Every entry of ``restored`` is written, most with what is there already."""
    rows, _ = restored
    before = logits[restored]
    logits.index_put_(masked, value)
    if len(rows) < len(logits):
        gone = logits[rows].isneginf().all(-1)
    else:
        gone = logits.isneginf().all(-1)[rows]
    logits.index_put_(restored, torch.where(gone & before.isfinite(), before, logits[restored]))
