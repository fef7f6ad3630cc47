"""A timestep's host value, found by its place in the schedule's memory."""

from __future__ import annotations

import torch

from syncfree.hooks.host_timestep import position
from syncfree.plugins.ordinary import is_ordinary


def host_timestep(timestep: torch.Tensor, schedule: torch.Tensor, host: torch.Tensor) -> torch.Tensor:
    """Implement the contract of `syncfree.hooks.host_timestep`; declines what is not one element of the schedule."""
    if not is_ordinary(timestep) or not is_ordinary(schedule):
        return NotImplemented  # type: ignore[no-any-return]
    if timestep.is_cpu:
        return timestep
    index = position(timestep, schedule)
    if index is None:
        return NotImplemented  # type: ignore[no-any-return]
    return host[index]
