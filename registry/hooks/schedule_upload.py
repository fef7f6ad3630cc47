"""`schedule_upload`: put a schedule that was made on the host on the device.

Where it stalls: ``set_timesteps`` of every diffusers scheduler uploads timesteps and sigmas from pageable memory, 1 to 3
host syncs per request, while the text encoder's work is still queued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def schedule_upload(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:  # type: ignore[empty-body]
    """Return ``values`` (a CPU tensor, usually ``[steps]``) on ``device`` in ``dtype``, in stream order.

    Changes nothing; ``values`` may be changed by the caller right after the call. May decline, for one where upstream would raise
    because there is no such device.
    """


def reference(values: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Copy it, and wait."""
    return values.to(device=device, dtype=dtype)


def inputs() -> Any:
    """Schedules as schedulers make them, with conversions between dtypes; the device is the CPU."""
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
    reference=reference,
    inputs=inputs,
    tolerance=Tolerance(rtol=0.0, atol=0.0, reason="a copy of values"),
    summary="put a schedule that was made on the host on the device",
    on_host=("values",),
)
