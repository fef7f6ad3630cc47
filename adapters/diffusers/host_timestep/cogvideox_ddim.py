"""diffusers ``CogVideoXDDIMScheduler.step``: the scalars of a step depend on two alphas alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.host_timesteps import on_the_host

if TYPE_CHECKING:
    import torch


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim: roots, and what the two samples are multiplied with."""

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    of_sample: torch.Tensor
    of_original: torch.Tensor


def cogvideox_ddim_step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; upstream's own code runs, with the host's timestep, where it raises or a method is not upstream's."""
    from syncfree.adapters.host_view import uses_own_methods

    from .scalar_tables import PREDICTIONS, index_of, original_sample, table_of

    names = upstream.__globals__
    is_upstreams = uses_own_methods(upstream)
    on_upstreams_way = on_the_host("timestep", as_numbers=True)(host_timestep, upstream)

    def scalars_of(scheduler: Any, timestep: Any) -> Scalars | None:
        config, steps = scheduler.config, scheduler.num_inference_steps
        if config.prediction_type not in PREDICTIONS or type(steps) is not int or steps <= 0 or not is_upstreams(scheduler):
            return None
        if (table := table_of(scheduler.alphas_cumprod)) is None:
            return None
        if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
            return None
        before = index - config.num_train_timesteps // steps
        positions = index, before
        return table.scalars(
            Scalars, scheduler, "final_alpha_cumprod", positions, (), lambda: _scalars(scheduler, *positions)
        )

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        scalars = scalars_of(self, arguments[1])
        if scalars is None:
            return on_upstreams_way(self, *arguments)
        model_output, _, sample, _, _, _, _, return_dict = arguments
        root_alpha, root_beta, of_sample, of_original = scalars
        original = original_sample(self.config.prediction_type, sample, model_output, root_alpha, root_beta)
        previous = of_sample * sample + of_original * original
        if not return_dict:
            return previous, original
        return names["DDIMSchedulerOutput"](prev_sample=previous, pred_original_sample=original)

    return step


def _scalars(scheduler: Any, index: int, before: int) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    of_sample = ((1 - alpha_before) / (1 - alpha)) ** 0.5
    return Scalars(
        root_alpha=alpha**0.5,
        root_beta=(1 - alpha) ** 0.5,
        of_sample=of_sample,
        of_original=alpha_before**0.5 - alpha**0.5 * of_sample,
    )
