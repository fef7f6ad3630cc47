"""Contract of ``nearest_sigma``: the step in sigma from the element of a schedule that is nearest to a timestep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def nearest_sigma(timestep: torch.Tensor, timesteps: torch.Tensor, sigmas: torch.Tensor, final: float) -> torch.Tensor:
    """Return the next sigma minus the one at the timestep, which is looked up as the nearest of the schedule.

    The next sigma of the last element is ``final``. If one timestep of several is the last, all of them step to ``final``.

    May decline tensors that are not plain and dense, or not on one device.

    Args:
        timestep: ``[B]``, floating point or integers.
        timesteps: ``[steps]`` float32, the schedule, on the device of ``timestep``. The first of two equally near elements is taken.
        sigmas: ``[steps]`` float32, on the same device.
        final: the sigma after the last element, 0 or 1; it is a number on the host.

    Returns:
        ``[B]`` float32, on the same device, in stream order.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        SGLang ``runtime/models/schedulers/scheduling_self_forcing_flow_match.py`` and ``flow_match_pair.py``, in every release
        that was read: 1 host sync per step, the question whether it is the last or the download of the timestep.
    """
    # The reference: the host asks whether one of the timesteps is the last.
    import torch

    index = torch.argmin((timesteps.unsqueeze(0) - timestep.unsqueeze(1)).abs(), dim=1)
    if bool((index + 1 >= len(timesteps)).any()):
        return final - sigmas[index]
    return sigmas[index + 1] - sigmas[index]


def inputs() -> Any:
    """Generate schedules from 1 to 0 and back, and timesteps that are elements, lie between them, or are equally near to two."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, object]:
        sigmas = torch.linspace(1, 0.003, draw(st.integers(1, 40)))
        sigmas = draw(st.sampled_from((1.0, 3.0, 5.0))) * sigmas / (1 + 2 * sigmas)
        sigmas = sigmas.flip(0) if draw(st.booleans()) else sigmas
        timesteps = sigmas * 1000
        places = draw(st.lists(st.integers(0, len(sigmas) - 1), min_size=1, max_size=3))
        timestep = timesteps[places] + draw(st.sampled_from((0.0, 3.0, -1000.0)))
        dtype = draw(st.sampled_from((torch.float32, torch.float64, torch.bfloat16, torch.int64)))
        final = draw(st.sampled_from((0.0, 1.0)))
        return {"timestep": timestep.to(dtype), "timesteps": timesteps, "sigmas": sigmas, "final": final}

    return arguments()


HOOK = Hook(
    name="nearest_sigma",
    spec=nearest_sigma,
    reference=nearest_sigma,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a difference of two values that are looked up"),
    summary="the step in sigma from a timestep that is looked up in a schedule, without asking the device whether it is the last",
)
