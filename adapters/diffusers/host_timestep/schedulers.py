"""Every diffusers scheduler whose steps or requests wait for the value of a timestep that the host once had."""

from __future__ import annotations

from typing import NamedTuple

from syncfree.adapters.diffusers.noise import RANDN_TENSOR
from syncfree.adapters.host_timesteps import index_on_the_host, on_the_host
from syncfree.adapting import Binding, Compose, Form

from .cogvideox_ddim import cogvideox_ddim_step
from .cogvideox_dpm import cogvideox_dpm_step
from .ddim import ddim_step
from .ddpm import ddpm_step
from .flow_match_heun import without_churn
from .helios_dmd import filled_from_the_host
from .lcm import lcm_step, scalings_of_the_device
from .ltx_euler_ancestral import sigmas_answer_on_the_host
from .pndm import pndm_step, previous_sample
from .sasolver import tau_of_host_timesteps
from .sasolver_updates import corrector_update, predictor_update
from .tcd import tcd_step


class Scheduler(NamedTuple):
    """One scheduler class.

    Attributes:
        name: ``module:Class`` below ``diffusers.schedulers``.
        methods: methods that wait, with how each is replaced.
        helpers: methods that these call and that read ``self.timesteps`` or a timestep.
        why: what waits.
        draws: a replaced method draws noise by `drawing`.
        since: the first release that is covered; older ones than 0.35.0 are not, others do not have the class.
    """

    name: str
    methods: dict[str, Compose]
    helpers: tuple[str, ...] = ()
    why: str = "2 host syncs per request: the index of the first timestep"
    draws: bool = False
    since: str = "0.35.0"

    @property
    def releases(self) -> str:
        """The version specifier."""
        return f">={self.since}"

    def target(self, method: str) -> str:
        """The target that a method of it is."""
        return f"diffusers.schedulers.{self.name}.{method}"


_INDEX: dict[str, Compose] = {"index_for_timestep": index_on_the_host}
_NUMBERED_STEP: dict[str, Compose] = {"step": on_the_host("timestep", as_numbers=True)}

SCHEDULERS = (
    Scheduler("scheduling_consistency_models:CMStochasticIterativeScheduler", _INDEX),
    Scheduler("scheduling_deis_multistep:DEISMultistepScheduler", _INDEX),
    Scheduler("scheduling_dpmsolver_multistep:DPMSolverMultistepScheduler", _INDEX),
    Scheduler("scheduling_dpmsolver_singlestep:DPMSolverSinglestepScheduler", _INDEX),
    Scheduler("scheduling_dpmsolver_sde:DPMSolverSDEScheduler", _INDEX),
    Scheduler("scheduling_euler_ancestral_discrete:EulerAncestralDiscreteScheduler", _INDEX),
    Scheduler("scheduling_euler_discrete:EulerDiscreteScheduler", _INDEX),
    Scheduler("scheduling_flow_match_euler_discrete:FlowMatchEulerDiscreteScheduler", _INDEX),
    Scheduler(
        "scheduling_flow_match_heun_discrete:FlowMatchHeunDiscreteScheduler",
        {**_INDEX, "step": without_churn},
        ("_init_step_index",),
        "2 host syncs per step",
    ),
    Scheduler("scheduling_flow_match_lcm:FlowMatchLCMScheduler", _INDEX),
    Scheduler("scheduling_helios:HeliosScheduler", _INDEX, since="0.37.0"),
    Scheduler(
        "scheduling_helios_dmd:HeliosDMDScheduler",
        {"step": filled_from_the_host},
        ("add_noise", "convert_flow_pred_to_x0"),
        "2 host syncs per step",
        since="0.37.0",
    ),
    Scheduler("scheduling_heun_discrete:HeunDiscreteScheduler", _INDEX),
    Scheduler("scheduling_ipndm:IPNDMScheduler", _INDEX),
    Scheduler("scheduling_k_dpm_2_ancestral_discrete:KDPM2AncestralDiscreteScheduler", _INDEX),
    Scheduler("scheduling_k_dpm_2_discrete:KDPM2DiscreteScheduler", _INDEX),
    Scheduler("scheduling_lms_discrete:LMSDiscreteScheduler", _INDEX),
    Scheduler(
        "scheduling_ltx_euler_ancestral_rf:LTXEulerAncestralRFScheduler",
        {**_INDEX, "step": sigmas_answer_on_the_host},
        ("_init_step_index", "_sigma_broadcast"),
        "1 host sync per step",
        since="0.37.0",
    ),
    Scheduler("scheduling_minimax_h3:MiniMaxH3Scheduler", {"index_for_timestep": on_the_host("timestep")}, since="0.40.0"),
    Scheduler("scheduling_unipc_multistep:UniPCMultistepScheduler", _INDEX),
    Scheduler(
        "scheduling_flow_map_euler_discrete:FlowMapEulerDiscreteScheduler",
        {"index_for_timestep": on_the_host("timestep")},
        ("step",),
        "3 host syncs per step",
        since="0.39.0",
    ),
    Scheduler(
        "scheduling_dpmsolver_multistep_inverse:DPMSolverMultistepInverseScheduler",
        {"_init_step_index": on_the_host("timestep")},
    ),
    Scheduler(
        "scheduling_ddpm:DDPMScheduler",
        {"step": ddpm_step("DDPMSchedulerOutput")},
        ("previous_timestep", "_get_variance"),
        "13 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_ddpm_parallel:DDPMParallelScheduler",
        {"step": ddpm_step("DDPMParallelSchedulerOutput")},
        ("previous_timestep", "_get_variance"),
        "13 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_ddim:DDIMScheduler",
        {"step": ddim_step("DDIMSchedulerOutput")},
        ("_get_variance",),
        "6 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_ddim_parallel:DDIMParallelScheduler",
        {"step": ddim_step("DDIMParallelSchedulerOutput")},
        ("_get_variance",),
        "6 host syncs per step",
        draws=True,
    ),
    Scheduler("scheduling_ddim_inverse:DDIMInverseScheduler", _NUMBERED_STEP, (), "4 host syncs per step"),
    Scheduler(
        "scheduling_ddim_cogvideox:CogVideoXDDIMScheduler", {"step": cogvideox_ddim_step}, (), "3 host syncs per step"
    ),
    Scheduler(
        "scheduling_dpm_cogvideox:CogVideoXDPMScheduler",
        {"step": cogvideox_dpm_step},
        ("get_variables", "get_mult"),
        "5 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_unclip:UnCLIPScheduler",
        {"step": on_the_host("timestep", "prev_timestep", as_numbers=True)},
        ("_get_variance",),
        "12 host syncs per step",
    ),
    Scheduler(
        "scheduling_pndm:PNDMScheduler",
        {"step": pndm_step, "_get_prev_sample": previous_sample},
        ("step_prk", "step_plms"),
        "3 host syncs per step",
    ),
    Scheduler("scheduling_repaint:RePaintScheduler", _NUMBERED_STEP, ("_get_variance",), "host syncs in each step"),
    Scheduler(
        "scheduling_lcm:LCMScheduler",
        {**_INDEX, "step": lcm_step, "get_scalings_for_boundary_condition_discrete": scalings_of_the_device},
        ("_init_step_index",),
        "3 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_tcd:TCDScheduler",
        {**_INDEX, "step": tcd_step},
        ("_init_step_index",),
        "4 host syncs per step",
        draws=True,
    ),
    Scheduler(
        "scheduling_sasolver:SASolverScheduler",
        {
            **_INDEX,
            "step": tau_of_host_timesteps,
            "stochastic_adams_bashforth_update": predictor_update,
            "stochastic_adams_moulton_update": corrector_update,
        },
        ("_init_step_index",),
        "4 host syncs per step",
    ),
)


def _host_timestep(scheduler: Scheduler) -> Binding:
    return Binding(
        hook="host_timestep",
        targets=tuple(scheduler.target(method) for method in scheduler.methods),
        depends=(*map(scheduler.target, scheduler.helpers), *((RANDN_TENSOR,) if scheduler.draws else ())),
        forms=(Form(scheduler.releases, "stalls", scheduler.why, tuple(scheduler.methods.values())),),
        note="answers only for schedules whose upload schedule_upload saw",
    )


BINDINGS = tuple(map(_host_timestep, SCHEDULERS))
