"""diffusers ``CogVideoXDPMScheduler.step``: the scalars of a step depend on two alphas, and on a third one after the first step.

Upstream computes a sample of the first order in every step, and in most of them one of the second order in its place. Both
draw noise; where only the second one is returned, only its arithmetic is done.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from syncfree.adapters.diffusers.noise import drawing
from syncfree.adapters.host_timesteps import on_the_host


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim.

    Attributes:
        is_first_order: there is no alpha before this step's.
        root_alpha, root_beta: roots.
        multipliers: upstream's ``mult``: 2, or 4 for a step that looks back.
        of_noise: what the noise is multiplied with.
    """

    is_first_order: bool
    root_alpha: Any
    root_beta: Any
    multipliers: tuple[Any, ...]
    of_noise: Any


def cogvideox_dpm_step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; upstream's own code runs, with the host's timesteps, where it raises or a method is not upstream's."""
    from syncfree.adapters.host_view import uses_own_methods
    from syncfree.plugins.ordinary import is_ordinary

    from .scalar_tables import PREDICTIONS, index_of, original_sample, table_of

    names, draw = upstream.__globals__, drawing(upstream)
    is_upstreams = uses_own_methods(upstream)
    on_upstreams_way = on_the_host("timestep", "timestep_back", as_numbers=True)(host_timestep, upstream)

    def scalars_of(scheduler: Any, timestep: Any, timestep_back: Any) -> Scalars | None:
        config, steps = scheduler.config, scheduler.num_inference_steps
        if config.prediction_type not in PREDICTIONS or type(steps) is not int or steps <= 0 or not is_upstreams(scheduler):
            return None
        if (table := table_of(scheduler.alphas_cumprod)) is None:
            return None
        if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
            return None
        back = None
        if timestep_back is not None and (back := index_of(host_timestep, timestep_back, scheduler.timesteps)) is None:
            return None
        before = index - config.num_train_timesteps // steps
        positions = index, before, back
        return table.scalars(
            Scalars, scheduler, "final_alpha_cumprod", positions, (), lambda: _scalars(scheduler, *positions)
        )

    def are_alike(*tensors: Any) -> bool:
        """Return whether upstream raises nothing on the way to the sample that it drops."""
        first = tensors[0]
        return all(is_ordinary(one) and one.shape == first.shape and one.device == first.device for one in tensors)

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        model_output, old, timestep, timestep_back, sample, _, _, generator, _, return_dict = arguments
        scalars = scalars_of(self, timestep, timestep_back) if old is None or are_alike(old, sample, model_output) else None
        if scalars is None or (old is not None and len(scalars.multipliers) == 2 and not scalars.is_first_order):
            return on_upstreams_way(self, *arguments)
        is_first_order, root_alpha, root_beta, multipliers, of_noise = scalars
        original = original_sample(self.config.prediction_type, sample, model_output, root_alpha, root_beta)
        noise = draw(sample, sample.dtype, generator)
        if old is None or is_first_order:
            return multipliers[0] * sample - multipliers[1] * original + of_noise * noise, original
        denoised = multipliers[2] * original - multipliers[3] * old
        noise = draw(sample, sample.dtype, generator)
        previous = multipliers[0] * sample - multipliers[1] * denoised + of_noise * noise
        if not return_dict:
            return previous, original
        return names["DDIMSchedulerOutput"](prev_sample=previous, pred_original_sample=original)

    return step


def _scalars(scheduler: Any, index: int, before: int, back: int | None) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    alpha_back = None if back is None else alphas[back]
    h, r, _, _ = scheduler.get_variables(alpha, alpha_before, alpha_back)
    return Scalars(
        is_first_order=before < 0,
        root_alpha=alpha**0.5,
        root_beta=(1 - alpha) ** 0.5,
        multipliers=tuple(scheduler.get_mult(h, r, alpha, alpha_before, alpha_back)),
        of_noise=(1 - alpha_before) ** 0.5 * (1 - (-2 * h).exp()) ** 0.5,
    )
