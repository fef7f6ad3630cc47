"""diffusers ``LCMScheduler``: the scalings at the boundary are arithmetic with samples, so they stay on the device.

A kernel reads a host scalar in another precision than a device scalar, so upstream's method gets the device's timestep back.
Its results depend on the timestep alone: they are computed once per scheduler, by upstream's operators.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.hooks.host_timestep import position


def scalings_from_a_table(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``get_scalings_for_boundary_condition_discrete(timestep)``, which ``step`` calls."""
    import torch

    from syncfree.adapters.host_twins import notes_on, original_of, stream_of

    @functools.wraps(upstream)
    def get_scalings_for_boundary_condition_discrete(self: Any, timestep: Any) -> Any:
        host = self.timesteps
        if not isinstance(timestep, torch.Tensor) or not isinstance(host, torch.Tensor) or not host.is_cpu:
            return upstream(self, timestep)
        index = position(timestep, host)
        if index is None:
            return upstream(self, timestep)
        schedule = original_of(host)
        there = timestep if schedule is None else schedule[index]  # without a device, the schedule is its own twin
        notes = notes_on(self.alphas_cumprod)  # it lives as long as the scheduler, a schedule as long as a request
        if notes is None or not hasattr(self, "sigma_data"):  # which upstream's method sets
            return upstream(self, there)
        key = ("scalings", timestep.item(), there.dtype, there.device, self.config.timestep_scaling, stream_of(there))
        scalings = notes.get(key)
        if scalings is None:
            with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
                scalings = notes[key] = upstream(self, there)
        return scalings

    return get_scalings_for_boundary_condition_discrete
