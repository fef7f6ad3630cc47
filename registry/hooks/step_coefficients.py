"""Contract of ``step_coefficients``: the scalars of one step of a diffusion solver, which depend on its schedule alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch

    Schedules = tuple[torch.Tensor, ...]
    Compute = Callable[[Schedules, int, Hashable], Schedules]


@hookspec
def step_coefficients(schedules: Schedules, position: int, form: Hashable, compute: Compute) -> Schedules:
    """Return ``compute(schedules, position, form)``.

    The coefficients depend on the values of the schedules, the position and the form alone, so an implementation may keep them
    from one call to the next: for schedules of equal values, the same position, an equal form and the same function.

    May decline any call. The shipped implementation declines, before anything is touched, schedules that are not plain dense
    tensors of float32 or float64 on the host, or one on a CUDA device, of one dimension and without gradients; on a device also
    tensors of inference mode and calls in the capture of a CUDA graph; and calls that torch traces.

    Args:
        schedules: what the coefficients are computed from, for example the sigmas of a request: tensors ``[N]`` of floats, on
            any one device.
        position: host integer, the place in the schedules where the step starts.
        form: everything else that the coefficients depend on, for example the order and the kind of prediction.
        compute: a function of the three that returns the coefficients: tensors ``[]``, computed where, in the dtype and in the
            order in which upstream computes them; or those of all positions. It is the same object at every call, changes
            nothing, and may be called with copies of the schedules.

    Returns:
        The coefficients. They may be shared by all callers, and must not be changed.

    Raises:
        What ``compute`` raises.

    Mutates:
        Nothing.

    Source:
        diffusers ``schedulers/scheduling_euler_discrete.py``, ``scheduling_euler_ancestral_discrete.py``,
        ``scheduling_dpmsolver_multistep.py`` and others, in every release that was read: 10 to 60 operators on the host per step.
    """
    # The reference: they are computed at every step, as in diffusers.
    return compute(schedules, position, form)


def _example(schedules: Schedules, position: int, form: Hashable) -> Schedules:
    """Compute what Euler's method needs, and a logarithm."""
    sigma, sigma_next = schedules[0][position], schedules[-1][position + 1]
    found = sigma_next - sigma, 1 / (sigma**2 + 1) ** 0.5
    return (*found, sigma.log()) if form == "logarithm" else found


def inputs() -> Any:
    """Generate one or two schedules of few lengths, so that calls share contents; a few are views, or need gradients."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        steps = draw(st.integers(2, 5))
        dtype = draw(st.sampled_from((torch.float32, torch.float64)))
        sigmas = torch.cat([torch.logspace(draw(st.sampled_from((0.5, 1.0))), -2, steps, dtype=dtype), torch.zeros(1, dtype=dtype)])
        kinds = (sigmas, sigmas.clone(), torch.stack([sigmas, sigmas], dim=-1)[:, 0], sigmas * 0.5)
        schedules = tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=2)))
        if draw(st.integers(0, 9)) == 0:
            schedules = tuple(one.clone().requires_grad_() for one in schedules)
        return {
            "schedules": schedules,
            "position": draw(st.integers(0, steps - 1)),
            "form": draw(st.sampled_from(("plain", "logarithm"))),
            "compute": _example,
        }

    return call()


HOOK = Hook(
    name="step_coefficients",
    spec=step_coefficients,
    reference=step_coefficients,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="upstream's own computation, once instead of at every step"),
    summary="the scalars of a diffusion solver's step, computed once per schedule",
)
