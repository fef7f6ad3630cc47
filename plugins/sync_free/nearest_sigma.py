"""The step in sigma, with the last one chosen on the device."""

from __future__ import annotations

import torch

from syncfree.plugins.ordinary import is_ordinary


def nearest_sigma(timestep: torch.Tensor, timesteps: torch.Tensor, sigmas: torch.Tensor, final: float) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.nearest_sigma`; declines an empty schedule, and tensors on several devices."""
    if not all(is_ordinary(one) and one.device == timesteps.device for one in (timestep, timesteps, sigmas)):
        return NotImplemented  # type: ignore[no-any-return]
    if timestep.dim() != 1 or timesteps.dim() != 1 or timesteps.shape != sigmas.shape or not len(sigmas):
        return NotImplemented  # type: ignore[no-any-return]
    index = torch.argmin((timesteps.unsqueeze(0) - timestep.unsqueeze(1)).abs(), dim=1)
    following = index + 1
    is_last = (following >= len(sigmas)).any()
    next_sigma = torch.where(is_last, final, sigmas[following.clamp(max=len(sigmas) - 1)])
    return next_sigma - sigmas[index]
