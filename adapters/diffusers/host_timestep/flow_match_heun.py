"""diffusers ``FlowMatchHeunDiscreteScheduler.step``: its test whether a sigma lies in the range of the churn.

``gamma = min(s_churn / ..., ...) if s_tmin <= sigma <= s_tmax else 0.0`` reads a device sigma twice. Without churn, which is
the default, gamma is 0 whatever the answer is, so the question is answered without looking at sigma.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class _Above:
    """A lower bound that no sigma reaches."""

    def __le__(self, sigma: object) -> bool:
        return False


def without_churn(host_timestep: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``step``; declines a step with churn, and what upstream's question would be an error with."""
    from syncfree.plugins.ordinary import is_ordinary

    above = _Above()

    @functools.wraps(upstream)
    def step(
        self: Any,
        model_output: Any,
        timestep: Any,
        sample: Any,
        s_churn: float,
        s_tmin: float,
        s_tmax: float,
        s_noise: float,
        generator: Any,
        return_dict: bool,
    ) -> Any:
        if any(type(one) not in (int, float) for one in (s_churn, s_tmin, s_tmax)) or s_churn:
            return NotImplemented
        if not is_ordinary(self.sigmas) or self.sigmas.dim() != 1 or len(self.sigmas) < 2:
            return NotImplemented
        return upstream(self, model_output, timestep, sample, s_churn, above, s_tmax, s_noise, generator, return_dict)

    return step
