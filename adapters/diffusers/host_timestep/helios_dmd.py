"""diffusers ``HeliosDMDScheduler.step``: `torch.full` reads the timestep, and the one of the next step.

Both are elements of the schedule in the pipeline: it passes ``scheduler.timesteps`` as ``all_timesteps``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def filled_from_the_host(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines timesteps that are no elements of the scheduler's own schedule."""
    from syncfree.adapters.host_copies import host_copy_of

    @functools.wraps(upstream)
    def step(
        self: Any,
        model_output: Any,
        timestep: Any,
        sample: Any,
        generator: Any,
        return_dict: Any,
        cur_sampling_step: Any,
        dmd_noisy_tensor: Any,
        dmd_sigmas: Any,
        dmd_timesteps: Any,
        all_timesteps: Any,
    ) -> Any:
        more = (sample, generator, return_dict, cur_sampling_step, dmd_noisy_tensor, dmd_sigmas, dmd_timesteps)
        schedule = self.timesteps
        host, every = host_copy_of(schedule), host_copy_of(all_timesteps)
        if host is None or every is None:
            return NotImplemented
        if host is schedule:
            return upstream(self, model_output, timestep, *more, all_timesteps)  # nothing to translate
        value = host_timestep(timestep, schedule, host)
        return NotImplemented if value is NotImplemented else upstream(self, model_output, value, *more, every)

    return step
