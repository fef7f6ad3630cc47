"""diffusers ``PNDMScheduler``: the scalars of formula (9) depend on two alphas alone.

``step`` does what ``step_plms`` does, or ``step_prk`` for the first steps of a request; both compute the previous sample alike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from syncfree.adapters.host_timesteps import on_the_host

if TYPE_CHECKING:
    import torch


class Scalars(NamedTuple):
    """The scalars of one sample, 0-dim: roots, and those of formula (9), of which ``difference`` is that of two alphas."""

    root_alpha: torch.Tensor
    root_beta: torch.Tensor
    of_sample: torch.Tensor
    difference: torch.Tensor
    denominator: torch.Tensor


def pndm_step(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``, with ``step_plms`` in it.

    Upstream's own code runs, with the host's timestep, for ``step_prk``, where it raises, or where a method is not upstream's.
    """
    from syncfree.adapters.host_view import uses_own_methods

    from .constants import make_factors_for
    from .scalar_tables import index_of, table_of

    factors_for = make_factors_for(55, 59, 37, 9, 1 / 24)
    names = upstream.__globals__
    is_upstreams = uses_own_methods(upstream)
    on_upstreams_way = on_the_host("timestep", as_numbers=True)(host_timestep, upstream)

    def scalars_of(scheduler: Any, timestep: Any) -> Scalars | None:
        config, steps = scheduler.config, scheduler.num_inference_steps
        if config.prediction_type not in _PREDICTIONS or type(steps) is not int or steps <= 0 or not is_upstreams(scheduler):
            return None
        if scheduler.counter < len(scheduler.prk_timesteps) and not config.skip_prk_steps:
            return None
        if type(scheduler.ets) is not list or not (config.skip_prk_steps or len(scheduler.ets) >= 3):
            return None
        if (table := table_of(scheduler.alphas_cumprod)) is None:
            return None
        if (index := index_of(host_timestep, timestep, scheduler.timesteps)) is None:
            return None
        between = config.num_train_timesteps // steps
        positions = (index + between, index) if scheduler.counter == 1 else (index, index - between)
        return table.scalars(
            Scalars, scheduler, "final_alpha_cumprod", positions, (), lambda: _scalars(scheduler, *positions)
        )

    @functools.wraps(upstream)
    def step(self: Any, *arguments: Any) -> Any:
        model_output, timestep, sample, return_dict = arguments
        scalars = scalars_of(self, timestep)
        if scalars is None:
            return on_upstreams_way(self, *arguments)
        counter = self.counter
        if counter != 1:
            self.ets = self.ets[-3:]
            self.ets.append(model_output)
        ets = self.ets
        if len(ets) == 1 and counter == 0:
            self.cur_sample = sample
        elif len(ets) == 1 and counter == 1:
            model_output = (model_output + ets[-1]) / 2
            sample = self.cur_sample
            self.cur_sample = None
        elif len(ets) == 2:
            model_output = (3 * ets[-1] - ets[-2]) / 2
        elif len(ets) == 3:
            model_output = (23 * ets[-1] - 16 * ets[-2] + 5 * ets[-3]) / 12
        elif len(ets) == 4 and (factors := factors_for(ets)) is not None:
            fourth, third, second, first = ets
            of_first, of_second, of_third, of_fourth, of_all = factors
            model_output = (first * of_first - second * of_second + third * of_third - fourth * of_fourth) * of_all
        else:
            model_output = (1 / 24) * (55 * ets[-1] - 59 * ets[-2] + 37 * ets[-3] - 9 * ets[-4])
        previous = _previous_sample(self.config.prediction_type, sample, model_output, scalars)
        self.counter += 1
        return names["SchedulerOutput"](prev_sample=previous) if return_dict else (previous,)

    return step


def previous_sample(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``_get_prev_sample``, which ``step_prk`` calls with numbers; declines what else it is called with."""
    import numpy as np

    from .scalar_tables import table_of

    @functools.wraps(upstream)
    def _get_prev_sample(self: Any, sample: Any, timestep: Any, prev_timestep: Any, model_output: Any) -> Any:
        prediction = self.config.prediction_type
        if type(timestep) not in (int, np.int64) or type(prev_timestep) is not int or prediction not in _PREDICTIONS:
            return NotImplemented
        positions = int(timestep), prev_timestep
        if positions[0] < 0 or (table := table_of(self.alphas_cumprod)) is None:
            return NotImplemented
        scalars = table.scalars(Scalars, self, "final_alpha_cumprod", positions, (), lambda: _scalars(self, *positions))
        if scalars is None:
            return NotImplemented
        return _previous_sample(prediction, sample, model_output, scalars)

    return _get_prev_sample


_PREDICTIONS = ("epsilon", "v_prediction")


def _previous_sample(prediction: str, sample: Any, model_output: Any, scalars: Scalars) -> Any:
    root_alpha, root_beta, of_sample, difference, denominator = scalars
    if prediction == "v_prediction":
        model_output = root_alpha * model_output + root_beta * sample
    return of_sample * sample - difference * model_output / denominator


def _scalars(scheduler: Any, index: int, before: int) -> Scalars:
    alphas = scheduler.alphas_cumprod
    alpha = alphas[index]
    alpha_before = alphas[before] if before >= 0 else scheduler.final_alpha_cumprod
    beta, beta_before = 1 - alpha, 1 - alpha_before
    return Scalars(
        root_alpha=alpha**0.5,
        root_beta=beta**0.5,
        of_sample=(alpha_before / alpha) ** 0.5,
        difference=alpha_before - alpha,
        denominator=alpha * beta_before**0.5 + (alpha * beta * alpha_before) ** 0.5,
    )
