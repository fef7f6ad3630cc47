"""diffusers ``HeunDiscreteScheduler.step``: a step to the next sigma, and one that corrects it there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .sigmas import PREDICTIONS, denoised, denoising, is_in

if TYPE_CHECKING:
    import torch

Schedules = tuple["torch.Tensor", ...]


def heun_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines the first call of a request where the model's input was not scaled before."""
    names = upstream.__globals__

    @functools.wraps(upstream)
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, return_dict: bool) -> Any:
        config, index, sigmas, first = self.config, self.step_index, self.sigmas, self.state_in_first_order
        prediction = config.prediction_type
        if not is_in(index, sigmas, 1) or not (prediction == "sample" or prediction in PREDICTIONS):
            return NotImplemented
        found = coefficients((sigmas,), index, (first, prediction), _heun)
        if found is NotImplemented:
            return NotImplemented
        sigma, dt, scalar, other = found
        original = model_output if prediction == "sample" else denoised(prediction, sample, model_output, scalar, other)
        if config.clip_sample:
            original = original.clamp(-config.clip_sample_range, config.clip_sample_range)
        derivative = (sample - original) / sigma
        if first:
            self.prev_derivative = derivative
            self.dt = dt.clone()  # whoever writes to the scheduler's own writes to no other's
            self.sample = sample
        else:
            derivative = (self.prev_derivative + derivative) / 2
            dt = self.dt
            sample = self.sample
            self.prev_derivative = self.dt = self.sample = None
        previous = sample + derivative * dt
        self._step_index += 1
        if not return_dict:
            return previous, original
        return names["HeunDiscreteSchedulerOutput"](prev_sample=previous, pred_original_sample=original)

    return step


def _heun(schedules: Schedules, position: int, form: Any) -> Schedules:
    """The sigma of the derivative, the length of the step, and the scalars of the prediction, which is at the same sigma."""
    (sigmas,), (first, prediction) = schedules, form
    sigma_hat = sigmas[position if first else position - 1] * (0 + 1)
    sigma_next = sigmas[position + 1 if first else position]
    sigma = sigma_hat if first else sigma_next
    return (sigma, sigma_next - sigma_hat, *denoising(sigma, prediction))
