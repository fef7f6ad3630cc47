"""diffusers ``LMSDiscreteScheduler.get_lms_coefficient``: scipy integrates a polynomial of the sigmas, at each step one for each order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .sigmas import is_in

if TYPE_CHECKING:
    import torch


def integral_from_a_table(coefficients: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Compose ``get_lms_coefficient(order, t, current_order)``, whose result is a Python float."""
    import torch

    def compute(schedules: tuple[torch.Tensor, ...], position: int, form: tuple[int, int]) -> tuple[torch.Tensor, ...]:
        order, current_order = form
        integral = upstream(SimpleNamespace(sigmas=schedules[0]), order, position, current_order)
        return (torch.tensor(integral, dtype=torch.float64, device="cpu"),)

    @functools.wraps(upstream)
    def get_lms_coefficient(self: Any, order: Any, t: Any, current_order: Any) -> Any:
        sigmas = self.sigmas
        if type(order) is not int or type(current_order) is not int or not is_in(t, sigmas, 1):
            return NotImplemented
        found = coefficients((sigmas,), t, (order, current_order), compute)
        return NotImplemented if found is NotImplemented else found[0].item()

    return get_lms_coefficient
