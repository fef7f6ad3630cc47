"""Contract of ``host_timestep``: a timestep's value on the host, without reading the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def host_timestep(timestep: torch.Tensor, schedule: torch.Tensor, host: torch.Tensor) -> torch.Tensor:
    """Return a CPU tensor that equals ``timestep`` in shape, dtype and value.

    May decline a timestep that it cannot place in the schedule, and declines tensors that are not plain and dense.

    Args:
        timestep: what the scheduler was called with; usually ``schedule[i]``, a 0-dim view ``[]`` of its dtype.
        schedule: ``[steps]``, the scheduler's timesteps, integers or floating point, on the device.
        host: ``[steps]``, a CPU tensor with the values and the dtype of ``schedule``.

    Returns:
        A CPU tensor with the shape and dtype of ``timestep``. It may share memory with ``host`` and must not be changed.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        diffusers ``schedulers/*.py`` and SGLang's copies in ``runtime/models/schedulers``, in every release that was read: 2
        host syncs per request (``index_for_timestep``) to 13 per step (DDPM).
    """
    # The reference: it is read back.
    return timestep.cpu()


def position(timestep: torch.Tensor, schedule: torch.Tensor) -> int | None:
    """Return where in a schedule an element of it lies, by its place in memory; None for anything else. Reads no value.

    Both are plain dense tensors.
    """
    if timestep.dim() or timestep.dtype != schedule.dtype or timestep.device != schedule.device:
        return None
    if schedule.dim() != 1 or not len(schedule) or not schedule.stride(0):
        return None
    if timestep.untyped_storage().data_ptr() != schedule.untyped_storage().data_ptr():
        return None
    index, between = divmod(int(timestep.storage_offset()) - int(schedule.storage_offset()), schedule.stride(0))
    return None if between or not 0 <= index < len(schedule) else index


def inputs() -> Any:
    """Generate elements of schedules that are views with an offset and gaps."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, object]:
        dtype = draw(st.sampled_from((torch.int64, torch.float32, torch.float64)))
        base = torch.arange(999, 999 - draw(st.integers(8, 60)), -1).to(dtype)
        schedule = base[draw(st.integers(0, 3)) :: draw(st.integers(1, 3))]
        timesteps = schedule[draw(st.integers(0, 1)) :]
        timestep = timesteps[draw(st.integers(0, len(timesteps) - 1))]
        return {"timestep": timestep, "schedule": schedule, "host": schedule.clone()}

    return arguments()


HOOK = Hook(
    name="host_timestep",
    spec=host_timestep,
    reference=host_timestep,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a copy of a value"),
    summary="a timestep's value on the host, without reading the device",
    on_host=("host",),
)
