"""diffusers ``DDPMScheduler.step``: the scalars of a step depend on two alphas and on the type of the variance alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.diffusers.noise import drawing
from syncfree.adapters.host_timesteps import on_the_host
from syncfree.adapting import Compose

if TYPE_CHECKING:
    import torch

_LEARNED = ("learned", "learned_range")
_VARIANCES = ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", *_LEARNED)


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim: roots, what the two samples are multiplied with, and those of the noise.

    Attributes:
        is_last: no noise is added to timestep 0.
        deviation: what the noise is multiplied with; None where the variance is learned.
        smallest, largest: the logarithms between which a learned range lies; None for other types.
    """

    is_last: bool
    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    of_original: torch.Tensor
    of_sample: torch.Tensor
    deviation: Any
    smallest: Any
    largest: Any


def ddpm_step(output: str) -> Compose:
    """Compose ``step``; ``output`` names the class of the module that it returns.

    Upstream's own code runs, with the host's timestep, with thresholding, a method that is not upstream's, a type of the variance
    that is exchanged after the scheduler was made; and where upstream raises.
    """
    as_upstream = on_the_host("timestep", as_numbers=True)

    def compose(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        from syncfree.adapters.host_view import uses_own_methods

        from .scalar_tables import PREDICTIONS, a_new_scalar_has_a_value, index_of, order_of, original_sample, table_of

        names, draw, plain = upstream.__globals__, drawing(upstream), torch.Tensor
        is_upstreams = uses_own_methods(upstream)
        on_upstreams_way = as_upstream(host_timestep, upstream)

        def timestep_before(scheduler: Any, timestep: int) -> int | None:
            """Return what ``previous_timestep`` returns; None where the schedule is not known or does not have the timestep."""
            custom, steps = scheduler.custom_timesteps, scheduler.num_inference_steps
            if type(custom) is not bool or type(steps) not in (int, type(None)):
                return None
            if not custom and not steps:
                return timestep - 1
            order = order_of(scheduler.timesteps)
            before = None if order is None else order.after.get(timestep)
            return before if before != -1 or a_new_scalar_has_a_value() else None

        def scalars_of(scheduler: Any, timestep: Any) -> Scalars | None:
            config, variance = scheduler.config, scheduler.variance_type
            if config.thresholding or config.prediction_type not in PREDICTIONS or not is_upstreams(scheduler):
                return None
            if variance not in _VARIANCES or variance != config.variance_type:
                return None
            if (table := table_of(scheduler.alphas_cumprod)) is None:
                return None
            if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
                return None
            if (before := timestep_before(scheduler, index)) is None:
                return None
            positions = index, before
            return table.scalars(Scalars, scheduler, "one", positions, (variance,), lambda: _scalars(scheduler, *positions))

        @functools.wraps(upstream)
        def step(self: Any, *arguments: Any) -> Any:
            model_output, timestep, sample, generator, return_dict = arguments
            scalars = scalars_of(self, timestep)
            if scalars is None:
                return on_upstreams_way(self, *arguments)
            config, variance = self.config, self.variance_type
            predicted: Any = None
            if type(model_output) is not plain or type(sample) is not plain or model_output.dim() < 2 or sample.dim() < 2:
                return on_upstreams_way(self, *arguments)  # which asks for the number of channels, and may raise
            if variance in _LEARNED:
                if model_output.shape[1] != sample.shape[1] * 2:
                    return on_upstreams_way(self, *arguments)
                model_output, predicted = torch.split(model_output, sample.shape[1], dim=1)
            is_last, root_alpha, root_beta, of_original, of_sample, deviation, smallest, largest = scalars
            prediction = config.prediction_type
            if prediction == "epsilon":  # the usual one: without the call
                original = (sample - root_beta * model_output) / root_alpha
            else:
                original = original_sample(prediction, sample, model_output, root_alpha, root_beta)
            if config.clip_sample:
                largest_sample = config.clip_sample_range
                original = original.clamp(-largest_sample, largest_sample)
            previous = of_original * original + of_sample * sample
            added: Any = 0
            if not is_last:
                noise = draw(model_output, model_output.dtype, generator)
                if variance == "learned":
                    added = predicted**0.5 * noise
                elif variance == "learned_range":
                    share = (predicted + 1) / 2
                    added = torch.exp(0.5 * (share * largest + (1 - share) * smallest)) * noise
                else:
                    added = deviation * noise
            previous = previous + added
            if not return_dict:
                return previous, original
            return names[output](prev_sample=previous, pred_original_sample=original)

        return step

    return compose


def _scalars(scheduler: Any, index: int, before: int) -> Scalars:
    import torch

    alphas, kind = scheduler.alphas_cumprod, scheduler.variance_type
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.one
    beta, beta_before = 1 - alpha, 1 - alpha_before
    alpha_now = alpha / alpha_before
    beta_now = 1 - alpha_now
    variance = torch.clamp(beta_before / beta * beta_now, min=1e-20)
    deviation = smallest = largest = None
    if kind == "fixed_small":
        deviation = variance**0.5
    elif kind == "fixed_small_log":
        deviation = torch.exp(0.5 * torch.log(variance))
    elif kind == "fixed_large":
        deviation = beta_now**0.5
    elif kind == "fixed_large_log":
        deviation = torch.log(beta_now) ** 0.5
    elif kind == "learned_range":
        smallest, largest = torch.log(variance), torch.log(beta_now)
    return Scalars(
        is_last=index == 0,
        root_alpha=alpha**0.5,
        root_beta=beta**0.5,
        of_original=(alpha_before**0.5 * beta_now) / beta,
        of_sample=alpha_now**0.5 * beta_before / beta,
        deviation=deviation,
        smallest=smallest,
        largest=largest,
    )
