"""The schedules that diffusers' schedulers upload."""

from __future__ import annotations

from syncfree.adapters.host_timesteps import schedule_made_on_the_host
from syncfree.adapting import Binding, Form

from .host_timestep.schedulers import SCHEDULERS, Scheduler


def _schedule_upload(scheduler: Scheduler) -> Binding:
    return Binding(
        hook="schedule_upload",
        targets=(scheduler.target("set_timesteps"),),
        forms=(Form(scheduler.releases, "needed", "1 to 3 pageable uploads per request", (schedule_made_on_the_host,)),),
    )


BINDINGS = tuple(map(_schedule_upload, SCHEDULERS))
