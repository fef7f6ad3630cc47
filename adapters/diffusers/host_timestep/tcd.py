"""diffusers ``TCDScheduler.step``: its scalars depend on the alphas of three timesteps; the third one depends on eta."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.diffusers.noise import drawing
from syncfree.adapters.host_timesteps import on_the_host

if TYPE_CHECKING:
    import torch


class Scalars(NamedTuple):
    """The scalars of one step, 0-dim: roots, and what the two parts of the next sample are multiplied with."""

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    root_alpha_noised: torch.Tensor
    root_beta_noised: torch.Tensor
    of_noised: torch.Tensor
    of_noise: torch.Tensor


def tcd_step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; upstream's own code runs, with the host's timestep, where it raises or a method is not upstream's."""
    import torch

    from syncfree.adapters.host_view import uses_own_methods

    from .scalar_tables import PREDICTIONS, index_of, original_sample, table_of

    names, draw = upstream.__globals__, drawing(upstream)
    is_upstreams = uses_own_methods(upstream)
    on_upstreams_way = on_the_host("timestep")(host_timestep, upstream)

    @functools.lru_cache(maxsize=4096, typed=True)
    def noised_timestep(eta: float, before: int, default: torch.dtype) -> int:
        """Upstream's ``timestep_s``, which depends on the default dtype, too."""
        return int(torch.floor((1 - eta) * torch.tensor(before, device="cpu")).to(dtype=torch.long))

    def scalars_of(scheduler: Any, timestep: Any, eta: Any) -> Scalars | None:
        prediction = scheduler.config.prediction_type
        if prediction not in PREDICTIONS or type(scheduler.num_inference_steps) is not int:
            return None
        if type(eta) not in (float, int) or not 0 <= eta <= 1 or not is_upstreams(scheduler):
            return None
        if (table := table_of(scheduler.alphas_cumprod)) is None:
            return None
        if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
            return None
        before = table.following(scheduler, index, last=0)
        if before is None or before < 0:
            return None
        positions = index, before, noised_timestep(eta, before, torch.get_default_dtype())
        return table.scalars(
            Scalars, scheduler, "final_alpha_cumprod", positions, (prediction,), lambda: _scalars(scheduler, *positions)
        )

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        model_output, timestep, sample, eta, generator, return_dict = arguments
        scalars = scalars_of(self, timestep, eta)
        if scalars is None:
            return on_upstreams_way(self, *arguments)
        prediction = self.config.prediction_type
        root_alpha, root_beta, root_alpha_noised, root_beta_noised, of_noised, of_noise = scalars
        original = original_sample(prediction, sample, model_output, root_alpha, root_beta)
        if prediction == "epsilon":
            epsilon = model_output
        elif prediction == "sample":
            epsilon = (sample - root_alpha * original) / root_beta
        else:
            epsilon = root_alpha * model_output + root_beta * sample
        noised = root_alpha_noised * original + root_beta_noised * epsilon
        previous = noised
        if eta > 0 and self.step_index != self.num_inference_steps - 1:
            noise = draw(model_output, noised.dtype, generator)
            previous = of_noised * noised + of_noise * noise
        self._step_index += 1
        if not return_dict:
            return previous, noised
        return names["TCDSchedulerOutput"](prev_sample=previous, pred_noised_sample=noised)

    return step


def _scalars(scheduler: Any, index: int, before: int, noised: int) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha, alpha_before, alpha_noised = alphas[index], alphas[before], alphas[noised]
    share = alpha_before / alpha_noised
    by_root = scheduler.config.prediction_type == "epsilon"
    return Scalars(
        root_alpha=alpha.sqrt() if by_root else alpha**0.5,
        root_beta=(1 - alpha).sqrt() if by_root else (1 - alpha) ** 0.5,
        root_alpha_noised=alpha_noised.sqrt(),
        root_beta_noised=(1 - alpha_noised).sqrt(),
        of_noised=share.sqrt(),
        of_noise=(1 - share).sqrt(),
    )
