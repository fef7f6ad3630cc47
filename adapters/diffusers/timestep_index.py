"""diffusers' schedulers whose timesteps are computed on the device, by ``log``, ``atan`` or ``linspace``.

The host does not know these values to the last bit, but which of them a timestep is it knows by the place in memory, and that no
two of them are equal by values that are close to them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapters.host_timesteps import index_by_place
from syncfree.adapting import Binding, Form

_SCHEDULERS = (
    "scheduling_cosine_dpmsolver_multistep:CosineDPMSolverMultistepScheduler",
    "scheduling_edm_dpmsolver_multistep:EDMDPMSolverMultistepScheduler",
    "scheduling_edm_euler:EDMEulerScheduler",
    "scheduling_scm:SCMScheduler",
)
_NOTE = "answers only for schedules that set_timesteps made"


def _previous(timestep_index: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``previous_timestep``: upstream's ``argmin`` finds the element itself, at distance 0."""
    from syncfree.adapters.host_copies import has_distinct_values
    from syncfree.plugins.ordinary import is_ordinary

    @functools.wraps(upstream)
    def previous_timestep(self: Any, timestep: Any) -> Any:
        schedule = self.timesteps
        if not is_ordinary(timestep) or not timestep.dim() or not len(timestep) or timestep.is_cpu:
            return NotImplemented
        if not has_distinct_values(schedule):
            return NotImplemented
        index = timestep_index(timestep[0], schedule)
        if index is NotImplemented:
            return NotImplemented
        return schedule[index + 1][None].expand(timestep.shape[0])

    return previous_timestep


BINDINGS = (
    *(
        Binding(
            hook="timestep_index",
            targets=(f"diffusers.schedulers.{scheduler}.index_for_timestep",),
            forms=(
                Form(">=0.35.0", "stalls", "2 host syncs per request: the index of the first timestep", (index_by_place,)),
            ),
            note=_NOTE,
        )
        for scheduler in _SCHEDULERS
    ),
    Binding(
        hook="timestep_index",
        targets=("diffusers.schedulers.scheduling_ddpm_wuerstchen:DDPMWuerstchenScheduler.previous_timestep",),
        forms=(Form(">=0.35.0", "stalls", "1 host sync per step: the index of the timestep", (_previous,)),),
        note=_NOTE,
    ),
)
