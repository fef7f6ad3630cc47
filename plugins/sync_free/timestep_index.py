"""A timestep's index, found by its place in the schedule's memory."""

from __future__ import annotations

import torch

from syncfree.hooks.host_timestep import position
from syncfree.plugins.ordinary import is_ordinary


def timestep_index(timestep: torch.Tensor, schedule: torch.Tensor) -> int:
    """Implement the contract of `syncfree.hooks.timestep_index`; declines what is not one element of the schedule."""
    if not is_ordinary(timestep) or not is_ordinary(schedule):
        return NotImplemented  # type: ignore[no-any-return]
    index = position(timestep, schedule)
    return NotImplemented if index is None else index
