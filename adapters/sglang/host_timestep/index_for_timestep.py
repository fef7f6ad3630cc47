"""SGLang's own schedulers where a stage does not set their begin index, as Cosmos3's does not.

The first step of a request then looks its timestep up on the device, and the host waits twice. Setting the begin index to 0
would not be the same: where the first timesteps are equal once they are rounded (FlowUniPC with many steps and a large shift),
the search answers with the second of them. Here upstream's search runs over the host's copy of the schedule.

Helios and FlowMatchEuler need no index. DPM++ keeps diffusers' scheduler inside: see `dpm_solver`.
"""

from __future__ import annotations

from syncfree.adapters.host_timesteps import index_on_the_host
from syncfree.adapting import Binding, Form

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"
_CLASSES = (
    ("scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler", ">=0.5.9"),
    ("scheduling_unipc_multistep:UniPCMultistepScheduler", ">=0.5.9"),
    ("hunyuan3d_scheduler:Hunyuan3DFlowMatchEulerDiscreteScheduler", ">=0.5.10"),
    ("hunyuan3d_scheduler:Hunyuan3DConsistencyFlowMatchEulerDiscreteScheduler", ">=0.5.10"),
)


def _host_timestep(scheduler: str, releases: str) -> Binding:
    why = "2 host syncs per request without a begin index: the index of the first timestep"
    return Binding(
        hook="host_timestep",
        targets=(f"{_SCHEDULERS}.{scheduler}.index_for_timestep",),
        forms=(Form(releases, "stalls", why, (index_on_the_host,)),),
        note="answers only for schedules whose upload schedule_upload saw",
    )


BINDINGS = tuple(_host_timestep(scheduler, releases) for scheduler, releases in _CLASSES)
