"""``penalty_state_reset`` with a fill, whose value is an argument of the kernel."""

from __future__ import annotations

import torch


def penalty_state_reset(states: tuple[torch.Tensor, ...], rows: torch.Tensor) -> None:
    """See the contract."""
    rows = rows.long()
    for state in states:
        state.index_fill_(0, rows, 0)
