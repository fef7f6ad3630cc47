"""Contract of ``schedule_upload``: put a schedule that was made on the host on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def schedule_upload(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return ``values`` on ``device`` in ``dtype``, in stream order.

    May decline, for one where upstream would raise because there is no such device.

    Args:
        values: a CPU tensor, usually ``[steps]``, of integers or floating point. The caller may change it right after the call.
        device: where the schedule is needed.
        dtype: the dtype of the result.

    Returns:
        A tensor with the shape of ``values``, in ``dtype`` on ``device``; on the CPU it may be ``values`` itself.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        diffusers ``schedulers/*.py`` and SGLang's copies in ``runtime/models/schedulers``, in every release that was read:
        ``set_timesteps`` uploads from pageable memory, 1 to 3 host syncs per request, while the text encoder's work is still
        queued.
    """
    # The reference: it is copied, and waited for.
    return values.to(device=device, dtype=dtype)


def inputs() -> Any:
    """Generate schedules as schedulers make them, with conversions between dtypes; the device is the CPU."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def arguments(draw: st.DrawFn) -> dict[str, object]:
        size = draw(st.integers(1, 60))
        values = torch.linspace(draw(st.floats(1, 999)), 0, size, dtype=torch.float64)
        source = draw(st.sampled_from((torch.int64, torch.float32, torch.float64)))
        target = draw(st.sampled_from((torch.int64, torch.float32, torch.bfloat16)))
        return {"values": values.to(source), "device": torch.device("cpu"), "dtype": target}

    return arguments()


HOOK = Hook(
    name="schedule_upload",
    spec=schedule_upload,
    reference=schedule_upload,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a copy of values"),
    summary="put a schedule that was made on the host on the device",
    on_host=("values",),
)
