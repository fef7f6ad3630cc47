"""SGLang's DPM++ (SANA, WanAnimate2), which keeps diffusers' scheduler inside and never tells it the begin index.

So the first step of a request looks its timestep up on the device although the stage said where it begins. Here the scheduler
inside is told, for that step, the index that its own search finds in the host's copy of the schedule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_SCHEDULER = "sglang.multimodal_gen.runtime.models.schedulers.scheduling_dpm_solver_multistep:DPMSolverMultistepScheduler"


def _step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    from syncfree.adapters.host_copies import host_copy_of
    from syncfree.plugins.ordinary import is_ordinary

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any, **more: Any) -> Any:
        inner = self._inner
        if inner.step_index is not None or inner.begin_index is not None:
            return upstream(self, *arguments, **more)
        timestep = arguments[1] if len(arguments) > 1 else more.get("timestep")
        host = host_copy_of(inner.timesteps)
        if host is None or not is_ordinary(timestep):
            return NotImplemented
        timestep = host_timestep(timestep, inner.timesteps, host)
        if timestep is NotImplemented:
            return NotImplemented
        inner.set_begin_index(inner.index_for_timestep(timestep, host))
        try:
            return upstream(self, *arguments, **more)
        finally:
            inner._begin_index = None  # add_noise would take it for every timestep

    return step


BINDING = Binding(
    hook="host_timestep",
    targets=(f"{_SCHEDULER}.step",),
    forms=(
        Form(
            ">=0.5.10",
            "stalls",
            "2 host syncs per request: set_begin_index does not reach the scheduler inside",
            (_step,),
        ),
    ),
    note="answers only for schedules whose upload schedule_upload saw",
)
