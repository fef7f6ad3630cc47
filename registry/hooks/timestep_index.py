"""Contract of ``timestep_index``: which element of a schedule a timestep is, without reading the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def timestep_index(timestep: torch.Tensor, schedule: torch.Tensor) -> int:
    """Return the index of the element of a schedule that equals a timestep. Values need not be known for it.

    May decline a timestep that it cannot place in the schedule, and declines tensors that are not plain and dense.

    Args:
        timestep: ``[]``, what the scheduler was called with; usually ``schedule[i]``, a view of its dtype.
        schedule: ``[steps]``, the scheduler's timesteps, floating point or integers, on the device of ``timestep``. All of
            them are finite, and no two are equal; the caller answers for that.

    Returns:
        The index, from 0.

    Raises:
        IndexError: the reference, if no element equals the timestep; an implementation declines instead.

    Mutates:
        Nothing.

    Source:
        diffusers ``schedulers/scheduling_edm_euler.py`` and others whose timesteps are computed on the device by ``log``,
        ``atan`` or ``linspace``, in every release that was read: ``(schedule_timesteps == timestep).nonzero()`` and
        ``.item()``, 2 host syncs per request; ``scheduling_ddpm_wuerstchen.py``: ``argmin().item()``, 1 per step.
    """
    # The reference: the elements are compared, and the place is read back.
    return int((schedule == timestep).nonzero()[0].item())


def inputs() -> Any:
    """Generate elements of schedules of distinct values that are views with an offset and gaps."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, object]:
        dtype = draw(st.sampled_from((torch.int64, torch.float32, torch.float64)))
        base = torch.arange(999, 999 - draw(st.integers(8, 60)), -1).to(dtype)
        schedule = base[draw(st.integers(0, 3)) :: draw(st.integers(1, 3))]
        timesteps = schedule[draw(st.integers(0, 1)) :]
        return {"timestep": timesteps[draw(st.integers(0, len(timesteps) - 1))], "schedule": schedule}

    return arguments()


HOOK = Hook(
    name="timestep_index",
    spec=timestep_index,
    reference=timestep_index,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a place in memory"),
    summary="which element of a schedule a timestep is, without reading the device",
)
