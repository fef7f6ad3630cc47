"""Contract of ``pooled_rows``: the results of those requests of a pooling batch that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def pooled_rows(pooled: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """Select rows of a device tensor that the host names.

    Args:
        pooled: ``[B, ...]``, any dtype.
        rows: R rows of it, on the host.

    Returns:
        ``[R, ...]``, in the dtype and on the device of ``pooled``, a copy.

    Raises:
        IndexError: a row that is none of ``pooled``, on the CPU; a GPU stops with a device-side assertion.

    Mutates:
        Nothing.

    Source:
        vLLM ``v1/worker/gpu_model_runner.py``, in every release that was read.
    """
    # The reference: the numbers of the rows are uploaded and waited for, as in vLLM.
    import torch

    return pooled.index_select(0, torch.tensor(rows, dtype=torch.long, device=pooled.device))


def inputs() -> Any:
    """Generate vectors, matrices and scalars per request."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        shape = (draw(st.integers(1, 6)), *draw(st.lists(st.integers(0, 3), max_size=2)))
        rows = draw(st.lists(st.integers(0, shape[0] - 1), max_size=6))
        pooled = torch.arange(float(torch.Size(shape).numel())).view(shape)
        return {"pooled": pooled.to(draw(st.sampled_from([torch.float32, torch.bfloat16]))), "rows": rows}

    return call()


HOOK = Hook(
    name="pooled_rows",
    spec=pooled_rows,
    reference=pooled_rows,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "rows are copied, not computed"),
    summary="finished rows of a pooling batch selected without waiting for its forward pass",
)
