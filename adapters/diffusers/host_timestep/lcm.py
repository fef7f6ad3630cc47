"""diffusers ``LCMScheduler``: a step's scalars depend on two alphas, and on the timestep as it was handed in.

The scalings at the boundary are arithmetic with the timestep. A kernel reads a host scalar in another precision than a device
scalar, so they are computed from the device's timestep, also where the rest of upstream's step runs with the host's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.diffusers.noise import drawing
from syncfree.adapters.host_timesteps import on_the_host
from syncfree.hooks.host_timestep import position

if TYPE_CHECKING:
    import torch


class Scalars(NamedTuple):
    """The scalars of one step: 0-dim, numbers for the scalings of a timestep that is a number.

    Attributes:
        root_alpha, root_beta, root_alpha_before, root_beta_before: roots.
        of_sample, of_original: the scalings at the boundary.
        sigma_data: what upstream's scalings set the attribute of the scheduler to.
    """

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    root_alpha_before: torch.Tensor
    root_beta_before: torch.Tensor
    of_sample: Any
    of_original: Any
    sigma_data: float


def lcm_step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; upstream's own code runs, with the host's timestep, with thresholding or a method that is not upstream's."""
    import torch

    from syncfree.adapters.host_copies import stream_of
    from syncfree.adapters.host_view import uses_own_methods

    from .scalar_tables import PREDICTIONS, index_of, original_sample, table_of

    names, draw = upstream.__globals__, drawing(upstream)
    is_upstreams = uses_own_methods(upstream)
    on_upstreams_way = on_the_host("timestep")(host_timestep, upstream)

    def scalars_of(scheduler: Any, timestep: Any) -> Scalars | None:
        config, steps = scheduler.config, scheduler.num_inference_steps
        if config.thresholding or config.prediction_type not in PREDICTIONS or type(steps) is not int:
            return None
        scaling, default = config.timestep_scaling, torch.get_default_dtype()
        if type(scaling) not in (int, float) or default not in (torch.float32, torch.float64) or not is_upstreams(scheduler):
            return None
        if (table := table_of(scheduler.alphas_cumprod)) is None:
            return None
        if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
            return None
        if (before := table.following(scheduler, index, last=index)) is None:
            return None
        where = None if type(timestep) is int else (timestep.device, stream_of(timestep))
        positions = index, before
        return table.scalars(
            Scalars,
            scheduler,
            "final_alpha_cumprod",
            positions,
            (type(scaling), scaling, default, where),
            lambda: _scalars(scheduler, *positions, timestep),
        )

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        model_output, timestep, sample, generator, return_dict = arguments
        scalars = scalars_of(self, timestep)
        if scalars is None:
            return on_upstreams_way(self, *arguments)
        config = self.config
        root_alpha, root_beta, root_alpha_before, root_beta_before, of_sample, of_original, self.sigma_data = scalars
        original = original_sample(config.prediction_type, sample, model_output, root_alpha, root_beta)
        if config.clip_sample:
            original = original.clamp(-config.clip_sample_range, config.clip_sample_range)
        denoised = of_original * original + of_sample * sample
        if self.step_index != self.num_inference_steps - 1:
            noise = draw(model_output, denoised.dtype, generator)
            previous = root_alpha_before * denoised + root_beta_before * noise
        else:
            previous = denoised
        self._step_index += 1
        if not return_dict:
            return previous, denoised
        return names["LCMSchedulerOutput"](prev_sample=previous, denoised=denoised)

    return step


def _scalars(scheduler: Any, index: int, before: int, timestep: Any) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    of_sample, of_original = scheduler.get_scalings_for_boundary_condition_discrete(timestep)
    return Scalars(
        root_alpha=alpha.sqrt(),
        root_beta=(1 - alpha).sqrt(),
        root_alpha_before=alpha_before.sqrt(),
        root_beta_before=(1 - alpha_before).sqrt(),
        of_sample=of_sample,
        of_original=of_original,
        sigma_data=scheduler.sigma_data,
    )


def scalings_of_the_device(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``get_scalings_for_boundary_condition_discrete``: given the host's timestep, it gets the device's back."""
    from syncfree.adapters.host_copies import original_of
    from syncfree.plugins.ordinary import is_ordinary

    @functools.wraps(upstream)
    def get_scalings_for_boundary_condition_discrete(self: Any, timestep: Any) -> Any:
        host = self.timesteps
        if is_ordinary(timestep) and is_ordinary(host) and host.is_cpu:
            schedule, index = original_of(host), position(timestep, host)
            if schedule is not None and index is not None:
                return upstream(self, schedule[index])
        return upstream(self, timestep)

    return get_scalings_for_boundary_condition_discrete
