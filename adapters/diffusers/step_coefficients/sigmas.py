"""Shared parts of the steps of schedulers whose model sees ``sample / sqrt(sigma ** 2 + 1)``: Euler, Heun, DPM2.

Upstream computes the scalars of a step on the host, out of sigmas that are there. Here they come from the table, and the
sample's arithmetic is upstream's, operation by operation, with the same scalars.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PREDICTIONS = ("epsilon", "v_prediction")


def scaled_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``scale_model_input(sample, timestep)``; declines the first call of a request, which finds its position."""
    notes_the_call = "is_scale_input_called" in upstream.__code__.co_names

    @functools.wraps(upstream)
    def scale_model_input(self: Any, sample: Any, timestep: Any) -> Any:
        index, sigmas = self.step_index, self.sigmas
        if not is_in(index, sigmas):
            return NotImplemented
        found = coefficients((sigmas,), index, None, _divisor)
        if found is NotImplemented:
            return NotImplemented
        sample = sample / found[0]
        if notes_the_call:
            self.is_scale_input_called = True
        return sample

    return scale_model_input


def _divisor(schedules: tuple[torch.Tensor, ...], position: int, form: object) -> tuple[torch.Tensor, ...]:
    return ((schedules[0][position] ** 2 + 1) ** 0.5,)


def is_in(index: Any, sigmas: Any, ahead: int = 0) -> bool:
    """Return whether a step's index is a place in its sigmas, with so many behind it; upstream says what is wrong otherwise."""
    return type(index) is int and hasattr(sigmas, "numel") and 0 <= index < sigmas.numel() - ahead


def is_of_floats(timestep: Any) -> bool:
    """Return whether upstream takes a timestep; it raises for an index, and asks for it before anything else."""
    return type(timestep) is float or getattr(getattr(timestep, "dtype", None), "is_floating_point", False)


def denoising(sigma: torch.Tensor, prediction: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The two scalars of `denoised` at a sigma."""
    if prediction == "v_prediction":
        return -sigma / (sigma**2 + 1) ** 0.5, sigma**2 + 1
    return sigma, sigma


def denoised(prediction: str, sample: Any, output: Any, scalar: torch.Tensor, other: torch.Tensor) -> Any:
    """Predict the clean sample from the model's output."""
    if prediction == "epsilon":
        return sample - scalar * output
    return output * scalar + (sample / other)
