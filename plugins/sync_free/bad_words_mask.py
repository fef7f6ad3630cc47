"""``bad_words_mask`` with all matches of a step in one masked write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from syncfree.hooks.bad_words_mask import is_complete


def bad_words_mask(logits: torch.Tensor, words: Mapping[int, Sequence[list[int]]], past: Sequence[list[int]]) -> None:
    """See the contract. Declines a call with a last token outside of the vocabulary."""
    vocabulary = logits.shape[1]
    matches = [(row, word[-1]) for row, forbidden in words.items() for word in forbidden if is_complete(word, past[row])]
    if any(not 0 <= token < vocabulary for _, token in matches):
        return NotImplemented  # type: ignore[no-any-return]
    if len(matches) == 1:
        ((row, token),) = matches
        logits[row, token : token + 1] = float("-inf")  # a fill: nothing is uploaded
    elif matches:
        host = torch.tensor(matches, dtype=torch.int64, pin_memory=logits.is_cuda)
        rows, tokens = host.to(logits.device, non_blocking=True).unbind(1)
        logits.index_put_((rows, tokens), torch.full((), float("-inf"), dtype=logits.dtype, device=logits.device))
    return None
