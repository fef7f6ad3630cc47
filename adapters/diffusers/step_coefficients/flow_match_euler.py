"""diffusers ``FlowMatchEulerDiscreteScheduler.step``: the differences of all sigmas at once instead of one at every step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .sigmas import is_in, is_of_floats

if TYPE_CHECKING:
    import torch

Schedules = tuple["torch.Tensor", ...]


def flow_match_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines stochastic sampling, timesteps per token, and what upstream raises for."""
    import torch

    names, float32, plain = upstream.__globals__, torch.float32, torch.Tensor

    @functools.wraps(upstream)
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, *others: Any) -> Any:
        *_, per_token_timesteps, return_dict = others
        if per_token_timesteps is not None or self.config.stochastic_sampling or not is_of_floats(timestep):
            return NotImplemented
        if self.step_index is None:
            self._init_step_index(timestep)
        index, sigmas = self.step_index, self.sigmas
        if not is_in(index, sigmas, 1):
            return NotImplemented
        found = coefficients((sigmas,), 0, None, _differences)
        if found is NotImplemented:
            return NotImplemented
        if type(sample) is not plain or sample.dtype is not float32:
            sample = sample.to(float32)
        previous = sample + found[index] * model_output
        if type(previous) is not plain or previous.dtype is not model_output.dtype:
            previous = previous.to(model_output.dtype)
        self._step_index = index + 1
        if not return_dict:
            return (previous,)
        return names["FlowMatchEulerDiscreteSchedulerOutput"](prev_sample=previous)

    return step


def _differences(schedules: Schedules, position: int, form: object) -> Schedules:
    """Those of all positions: on a device one launch per request."""
    (sigmas,) = schedules
    return (sigmas[1:] - sigmas[:-1]).unbind()
