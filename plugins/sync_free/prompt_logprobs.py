"""``prompt_logprobs`` with an upload from pinned memory, and copies to the host that nothing waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch


def prompt_logprobs(
    hidden_states: torch.Tensor,
    token_ids: Sequence[int],
    score: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    targets: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """See the contract. PyTorch keeps pinned memory from its next user until the copies that it is part of are done."""
    host = torch.tensor(token_ids, dtype=torch.int64, pin_memory=hidden_states.is_cuda)
    found = score(hidden_states, host.to(hidden_states.device, non_blocking=True))
    for target, values in zip(targets, found, strict=True):
        target.copy_(values, non_blocking=True)
