"""The schedules that SGLang's schedulers upload.

Where a scheduler needs no index of a timestep, as Helios and FlowMatchEuler, this is bound for the host copies of the sigmas, by
which `coefficient_table` knows a schedule again and the stage of LTX-2.3 reads one.
"""

from __future__ import annotations

from syncfree.adapters.host_timesteps import schedule_made_on_the_host
from syncfree.adapting import Binding, Form

_SCHEDULERS = "sglang.multimodal_gen.runtime.models.schedulers"


def _schedule_upload(scheduler: str, releases: str) -> Binding:
    return Binding(
        hook="schedule_upload",
        targets=(f"{_SCHEDULERS}.{scheduler}.set_timesteps",),
        forms=(Form(releases, "stalls", "1 to 2 pageable uploads per request", (schedule_made_on_the_host,)),),
    )


BINDINGS = (
    _schedule_upload("scheduling_flow_unipc_multistep:FlowUniPCMultistepScheduler", ">=0.5.9"),
    _schedule_upload("scheduling_unipc_multistep:UniPCMultistepScheduler", ">=0.5.9"),
    _schedule_upload("scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler", ">=0.5.9"),
    _schedule_upload("scheduling_helios:HeliosScheduler", ">=0.5.10"),
    _schedule_upload("scheduling_dpm_solver_multistep:DPMSolverMultistepScheduler", ">=0.5.10"),
    _schedule_upload("hunyuan3d_scheduler:Hunyuan3DFlowMatchEulerDiscreteScheduler", ">=0.5.10"),
    _schedule_upload("hunyuan3d_scheduler:Hunyuan3DConsistencyFlowMatchEulerDiscreteScheduler", ">=0.5.10"),
    _schedule_upload("scheduling_comfyui_passthrough:ComfyUIPassThroughScheduler", ">=0.5.9"),
)
