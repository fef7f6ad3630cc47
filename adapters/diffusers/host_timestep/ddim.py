"""diffusers ``DDIMScheduler.step``: a timestep's scalars are computed once, and only the sample's arithmetic is left.

About 25 of the operators of a step make scalars that depend on the timestep, the number of steps and eta alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.diffusers.noise import drawing
from syncfree.adapters.host_timesteps import on_the_host
from syncfree.adapting import Compose

if TYPE_CHECKING:
    import torch


_LARGEST_ETA = 1e6
"""Of larger ones, some are an error in torch, which upstream raises later than the scalars are made here."""


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim: the roots of the two alphas and of one beta, what the noises are multiplied with."""

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    root_alpha_before: torch.Tensor
    direction: torch.Tensor
    deviation: torch.Tensor


def ddim_step(output: str) -> Compose:
    """Compose ``step``; ``output`` names the class of the module that it returns.

    Upstream's own code runs, with the host's timestep, where scalars are not what they are for everybody: thresholding,
    a method that is not upstream's, noise handed in; and where upstream raises.
    """
    as_upstream = on_the_host("timestep", as_numbers=True)

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        from syncfree.adapters.host_view import uses_own_methods

        from .scalar_tables import PREDICTIONS, index_of, original_sample, table_of

        names, draw = upstream.__globals__, drawing(upstream)
        is_upstreams = uses_own_methods(upstream)
        on_upstreams_way = as_upstream(host_timestep, upstream)

        def scalars_of(scheduler: Any, timestep: Any, eta: Any, variance_noise: Any) -> Scalars | None:
            config, steps = scheduler.config, scheduler.num_inference_steps
            if config.thresholding or config.prediction_type not in PREDICTIONS or type(steps) is not int or steps <= 0:
                return None
            if variance_noise is not None or type(eta) not in (float, int) or not 0 <= eta <= _LARGEST_ETA:
                return None
            if not is_upstreams(scheduler) or (table := table_of(scheduler.alphas_cumprod)) is None:
                return None
            if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
                return None
            before = index - config.num_train_timesteps // steps
            positions = index, before
            return table.scalars(
                Scalars, scheduler, "final_alpha_cumprod", positions, (eta,), lambda: _scalars(scheduler, *positions, eta)
            )

        @functools.wraps(upstream)
        def step(self: Any, *arguments: Any) -> Any:
            model_output, timestep, sample, eta, use_clipped_model_output, generator, variance_noise, return_dict = arguments
            scalars = scalars_of(self, timestep, eta, variance_noise)
            if scalars is None:
                return on_upstreams_way(self, *arguments)
            config = self.config
            prediction = config.prediction_type
            root_alpha, root_beta, root_alpha_before, direction, deviation = scalars
            original = original_sample(prediction, sample, model_output, root_alpha, root_beta)
            if prediction == "epsilon":
                epsilon = model_output
            elif prediction == "sample":
                epsilon = (sample - root_alpha * original) / root_beta
            else:
                epsilon = root_alpha * model_output + root_beta * sample
            if config.clip_sample:
                original = original.clamp(-config.clip_sample_range, config.clip_sample_range)
            if use_clipped_model_output:
                epsilon = (sample - root_alpha * original) / root_beta
            towards = direction * epsilon
            previous = root_alpha_before * original + towards
            if eta > 0:
                noise = draw(model_output, model_output.dtype, generator)
                previous = previous + deviation * noise
            if not return_dict:
                return previous, original
            return names[output](prev_sample=previous, pred_original_sample=original)

        return step

    return compose


def _scalars(scheduler: Any, index: int, before: int, eta: float) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    deviation = eta * scheduler._get_variance(index, before) ** 0.5
    return Scalars(
        root_alpha=alpha**0.5,
        root_beta=(1 - alpha) ** 0.5,
        root_alpha_before=alpha_before**0.5,
        direction=(1 - alpha_before - deviation**2) ** 0.5,
        deviation=deviation,
    )
