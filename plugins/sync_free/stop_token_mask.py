"""``stop_token_mask`` without boolean indices, whose number of results the host would have to know."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

_COPIED = 3
"""The memory traffic of looking at a copied row, in rows: read, written, and read again."""


def stop_token_mask(
    logits: torch.Tensor,
    masked: tuple[torch.Tensor, torch.Tensor],
    restored: tuple[torch.Tensor, torch.Tensor],
    value: torch.Tensor,
    distinct_rows: int,
) -> None:
    """See the contract. Every entry of ``restored`` is written, most with what is there already."""
    rows, _ = restored
    before = logits[restored]
    logits.index_put_(masked, value)
    gone = _gone(logits)[rows] if len(logits) <= _COPIED * distinct_rows else _gone_of_few(logits, rows, distinct_rows)
    logits.index_put_(restored, torch.where(gone & before.isfinite(), before, logits[restored]))


def _gone(logits: torch.Tensor) -> torch.Tensor:
    """Return of which rows nothing is left, in one pass: the maximum of a row with a NaN is NaN."""
    return logits.amax(-1).isneginf()


def _gone_of_few(logits: torch.Tensor, rows: torch.Tensor, distinct_rows: int) -> torch.Tensor:
    """Return the same of ``rows``, of which runs of equal ones are numbered on the device, so that each is looked at once."""
    if len(rows) <= distinct_rows:
        return _gone(logits.index_select(0, rows))  # none is named twice
    number = pad((rows[1:] != rows[:-1]).cumsum(0), (1, 0))[: len(rows)]
    distinct = rows.new_zeros(distinct_rows).scatter_(0, number, rows)
    return _gone(logits.index_select(0, distinct))[number]
