"""SGLang's own schedulers where a stage does not set their begin index, as Cosmos3's does not.

The first step of a request then looks its timestep up on the device, and the host waits twice. Setting the begin index to 0
would not be the same: where the first timesteps are equal once they are rounded (FlowUniPC with many steps and a large shift),
the search answers with the second of them. Here upstream's search runs over the host's copy of the schedule.

Helios and FlowMatchEuler need no index; their schedules' upload is bound for the host copies of the sigmas, by which
`coefficient_table` knows a schedule again and `ltx_2` reads one. DPM++ keeps diffusers' scheduler inside: see `dpm_solver`.
"""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host, schedule_made_on_the_host
from syncfree.adapting import Binding, Form

RELEASES = ">=0.5.9"
_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"
_CLASSES = (
    f"{_SCHEDULERS}.scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler",
    f"{_SCHEDULERS}.scheduling_unipc_multistep:UniPCMultistepScheduler",
)


def _host_timestep(scheduler: str) -> Binding:
    why = "2 host syncs per request without a begin index: the index of the first timestep"
    return Binding(
        hook="host_timestep",
        targets=(f"{scheduler}.index_for_timestep",),
        forms=(Form(RELEASES, "needed", why, (index_on_the_host,)),),
        note="answers only for schedules whose upload schedule_upload saw",
    )


def schedule_upload(scheduler: str, releases: str = RELEASES) -> Binding:
    """Make the binding of a scheduler's ``set_timesteps``."""
    return Binding(
        hook="schedule_upload",
        targets=(f"{scheduler}.set_timesteps",),
        forms=(Form(releases, "needed", "1 to 2 pageable uploads per request", (schedule_made_on_the_host,)),),
    )


BINDINGS = (
    *(make(scheduler) for scheduler in _CLASSES for make in (schedule_upload, _host_timestep)),
    schedule_upload(f"{_SCHEDULERS}.scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler"),
    schedule_upload(f"{_SCHEDULERS}.scheduling_helios:HeliosScheduler", ">=0.5.10"),
)
