"""The classes whose `set_timesteps` is watched, and the methods of two that upload in each step."""

from __future__ import annotations

from syncfree.adapters.host_timesteps import schedule_made_on_the_host
from syncfree.adapting import Binding, Compose, Form

from ..host_timestep.schedulers import SCHEDULERS, Scheduler
from .score_sde_ve import noise_without_a_wait, sigmas_put_together_on_the_device, table_on_the_device
from .wuerstchen import constants_on_the_device


def _schedule_upload(scheduler: Scheduler) -> Binding:
    return Binding(
        hook="schedule_upload",
        targets=(scheduler.target("set_timesteps"),),
        forms=(Form(scheduler.releases, "stalls", "1 to 3 pageable uploads per request", (schedule_made_on_the_host,)),),
    )


def _of_others(scheduler: str, why: str, **methods: Compose) -> Binding:
    """Bind methods of a scheduler whose timesteps the host never had."""
    return Binding(
        hook="schedule_upload",
        targets=tuple(f"diffusers.schedulers.{scheduler}.{method}" for method in methods),
        forms=(Form(">=0.35.0", "stalls", why, tuple(methods.values())),),
    )


_MADE = {"set_timesteps": schedule_made_on_the_host}
BINDINGS = (
    *map(_schedule_upload, SCHEDULERS),
    _of_others(
        "scheduling_cosine_dpmsolver_multistep:CosineDPMSolverMultistepScheduler", "3 host syncs per request", **_MADE
    ),
    _of_others("scheduling_edm_dpmsolver_multistep:EDMDPMSolverMultistepScheduler", "3 host syncs per request", **_MADE),
    _of_others("scheduling_edm_euler:EDMEulerScheduler", "2 host syncs per request", **_MADE),
    _of_others("scheduling_scm:SCMScheduler", "1 host sync per request", **_MADE),
    _of_others(
        "scheduling_ddpm_wuerstchen:DDPMWuerstchenScheduler",
        "6 host syncs per step: two constants, three times each",
        **_MADE,
        _alpha_cumprod=constants_on_the_device,
    ),
    _of_others(
        "scheduling_sde_ve:ScoreSdeVeScheduler",
        "6 host syncs per step, 1 per sigma and request",
        **_MADE,
        set_sigmas=sigmas_put_together_on_the_device,
        step_pred=table_on_the_device,
        step_correct=noise_without_a_wait,
    ),
    _of_others("deprecated.scheduling_karras_ve:KarrasVeScheduler", "2 host syncs per request, 1 per step of it", **_MADE),
)
