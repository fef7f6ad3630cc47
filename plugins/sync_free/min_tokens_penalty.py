"""``min_tokens_penalty`` with a selection by row in place of an index of rows, whose size the host would have to read."""

from __future__ import annotations

import torch


def min_tokens_penalty(
    logits: torch.Tensor, penalties: torch.Tensor, generated: torch.Tensor, least: torch.Tensor
) -> None:
    """See the contract. Declines penalties of another shape than the logits."""
    if penalties.shape != logits.shape:
        return NotImplemented  # type: ignore[no-any-return]
    # Converted before it is selected: rows that are long enough must not pass through another dtype.
    penalized = (logits + penalties).to(logits.dtype)
    logits.copy_(torch.where(generated < least, penalized, logits))
    return None
