"""Contract of ``penalty_state_reset``: a new request's rows of penalty state start from zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def penalty_state_reset(states: tuple[torch.Tensor, ...], rows: torch.Tensor) -> None:
    """Set rows of each tensor to zero.

    Args:
        states: tensors ``[R, ...]`` of integers on one device.
        rows: ``[n]`` int32 or int64 on that device, each in 0 to R - 1; a row may occur twice.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``states``, in place.

    Source:
        vLLM ``v1/worker/gpu/sample/penalties.py``; #41429 (0.22.0).
    """
    # The reference: a Python zero is assigned, which is uploaded, as in vLLM 0.21.0.
    for state in states:
        state[rows] = 0


def inputs() -> Any:
    """Generate a packed prompt mask and output counts, and rows with repeats."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        count, width = draw(st.integers(1, 6)), draw(st.integers(1, 9))
        rows = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8))
        return {
            "states": (torch.full((count, width), 7, dtype=torch.int32), torch.full((count, 2 * width), 3)),
            "rows": torch.tensor(rows, dtype=draw(st.sampled_from([torch.int32, torch.int64]))),
        }

    return call()


HOOK = Hook(
    name="penalty_state_reset",
    spec=penalty_state_reset,
    reference=penalty_state_reset,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "only zeros are written"),
    summary="penalty state of new requests, cleared without uploading a zero",
    pure=False,
    writes=("states",),
)
