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

    from syncfree.adapters.host_copies import cache_for, original_of, stream_of
    from syncfree.plugins.ordinary import is_ordinary, may_be_kept

    def key_of(scheduler: Any, timestep: torch.Tensor) -> Any:
        """All that the scalings depend on; None where they may not be kept."""
        default, scaling = torch.get_default_dtype(), scheduler.config.timestep_scaling
        if type(scaling) not in (int, float) or default not in (torch.float32, torch.float64) or not may_be_kept(timestep):
            return None
        return type(scaling), scaling, default, timestep.dtype, timestep.device, stream_of(timestep)

    @functools.wraps(upstream)
    def get_scalings_for_boundary_condition_discrete(self: Any, timestep: Any) -> Any:
        host = self.timesteps
        if not is_ordinary(timestep) or not is_ordinary(host) or not host.is_cpu:
            return upstream(self, timestep)
        index = position(timestep, host)
        if index is None:
            return upstream(self, timestep)
        schedule = original_of(host)
        there = timestep if schedule is None else schedule[index]  # without a device, the schedule is its own twin
        notes = cache_for(self.alphas_cumprod)  # it lives as long as the scheduler, a schedule as long as a request
        key = None if notes is None else key_of(self, there)
        if notes is None or key is None:
            return upstream(self, there)
        key = (timestep.item(), *key)
        kept = notes.get(key)
        if kept is not None:
            scalings, versions, data = kept
            if versions == [one._version for one in scalings] and getattr(self, "sigma_data", None) == data:
                return scalings
        with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
            scalings = upstream(self, there)
        if all(type(one) is torch.Tensor for one in scalings):
            # The caller may write to what it gets; upstream's method sets sigma_data.
            notes[key] = scalings, [one._version for one in scalings], self.sigma_data
        return scalings

    return get_scalings_for_boundary_condition_discrete
