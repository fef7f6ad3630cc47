"""diffusers ``EulerDiscreteScheduler.step`` without churn, and ``EulerAncestralDiscreteScheduler.step``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapters.diffusers.noise import drawing

from .sigmas import PREDICTIONS, denoised, denoising, is_in, is_of_floats

if TYPE_CHECKING:
    import torch

Schedules = tuple["torch.Tensor", ...]
_LARGEST = 2**31


def euler_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines churn, which adds noise, and what upstream warns of or raises for."""
    import torch

    names, float32, plain = upstream.__globals__, torch.float32, torch.Tensor

    @functools.wraps(upstream)
    def step(
        self: Any,
        model_output: Any,
        timestep: Any,
        sample: Any,
        s_churn: Any,
        s_tmin: Any,
        s_tmax: Any,
        s_noise: Any,
        generator: Any,
        return_dict: bool,
    ) -> Any:
        if not (_is_number(s_churn) and _is_number(s_tmin) and _is_number(s_tmax)) or s_churn:
            return NotImplemented
        index, sigmas = self.step_index, self.sigmas
        if not is_in(index, sigmas, 1) or not is_of_floats(timestep):
            return NotImplemented
        prediction = self.config.prediction_type
        predicts_sample = prediction in ("original_sample", "sample")
        if not self.is_scale_input_called or not (predicts_sample or prediction in PREDICTIONS):
            return NotImplemented
        found = coefficients((sigmas,), index, prediction, _euler)
        if found is NotImplemented:
            return NotImplemented
        sigma, dt, scalar, other = found
        if type(sample) is not plain or sample.dtype is not float32:
            sample = sample.to(float32)
        original = model_output if predicts_sample else denoised(prediction, sample, model_output, scalar, other)
        derivative = (sample - original) / sigma
        previous = sample + derivative * dt
        if type(previous) is not plain or previous.dtype is not model_output.dtype:
            previous = previous.to(model_output.dtype)
        self._step_index = index + 1
        if not return_dict:
            return previous, original
        return names["EulerDiscreteSchedulerOutput"](prev_sample=previous, pred_original_sample=original)

    return step


def _is_number(value: Any) -> bool:
    """Return whether upstream can compare it with a sigma."""
    return type(value) is float or (type(value) is int and -_LARGEST < value < _LARGEST)


def _euler(schedules: Schedules, position: int, prediction: Any) -> Schedules:
    sigma = schedules[0][position]
    sigma_hat = sigma * (0.0 + 1)
    return (sigma_hat, schedules[0][position + 1] - sigma_hat, *denoising(sigma, prediction))


def ancestral_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines what upstream warns of or raises for."""
    import torch

    names, float32, plain = upstream.__globals__, torch.float32, torch.Tensor
    draw = drawing(upstream)

    @functools.wraps(upstream)
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, generator: Any, return_dict: bool) -> Any:
        index, sigmas = self.step_index, self.sigmas
        if not is_in(index, sigmas, 1) or not is_of_floats(timestep):
            return NotImplemented
        prediction = self.config.prediction_type
        if not self.is_scale_input_called or prediction not in PREDICTIONS:
            return NotImplemented
        found = coefficients((sigmas,), index, prediction, _ancestral)
        if found is NotImplemented:
            return NotImplemented
        sigma, dt, sigma_up, scalar, other = found
        if type(sample) is not plain or sample.dtype is not float32:
            sample = sample.to(float32)
        original = denoised(prediction, sample, model_output, scalar, other)
        derivative = (sample - original) / sigma
        previous = sample + derivative * dt
        noise = draw(model_output, model_output.dtype, generator)
        previous = previous + noise * sigma_up
        if type(previous) is not plain or previous.dtype is not model_output.dtype:
            previous = previous.to(model_output.dtype)
        self._step_index = index + 1
        if not return_dict:
            return previous, original
        return names["EulerAncestralDiscreteSchedulerOutput"](prev_sample=previous, pred_original_sample=original)

    return step


def _ancestral(schedules: Schedules, position: int, prediction: Any) -> Schedules:
    sigma, sigma_to = schedules[0][position], schedules[0][position + 1]
    sigma_up = (sigma_to**2 * (sigma**2 - sigma_to**2) / sigma**2) ** 0.5
    sigma_down = (sigma_to**2 - sigma_up**2) ** 0.5
    return (sigma, sigma_down - sigma, sigma_up, *denoising(sigma, prediction))
