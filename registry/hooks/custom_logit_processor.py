"""Contract of ``custom_logit_processor``: a function of the user's replaces the logits of some requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def custom_logit_processor(
    logits: torch.Tensor, rows: Sequence[int], process: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Replace rows of the logits by what a function makes of a copy of them.

    Args:
        logits: ``[B, V]`` floating point.
        rows: R rows of ``logits``, ascending and distinct; R may be 0.
        process: the function, called once with ``[R, V]``, which it may change; its result is stored as
            ``logits[rows] = result`` stores it, so it may be smaller.

    Returns:
        None.

    Raises:
        Exception: whatever ``process`` raises, and ``RuntimeError`` for a result of another dtype or of a shape that cannot be
            broadcast; ``logits`` are then unchanged.

    Mutates:
        ``logits``, in place.

    Source:
        SGLang ``srt/layers/sampler.py`` up to 0.5.20, where a boolean mask on the device selects the rows.
    """
    # The reference: a mask selects the rows, as in SGLang 0.5.9.
    import torch

    mask = torch.zeros(len(logits), dtype=torch.bool)
    mask[list(rows)] = True
    mask = mask.to(logits.device)
    logits[mask] = process(logits[mask])


def _shifted(selected: torch.Tensor) -> torch.Tensor:
    """Return a result of its own."""
    return selected * 2 + 1


def _masked(selected: torch.Tensor) -> torch.Tensor:
    """Change the copy."""
    return selected.masked_fill_(selected > 0, float("-inf"))


def _one_row(selected: torch.Tensor) -> torch.Tensor:
    """Return one row for all."""
    return selected.new_zeros(selected.shape[1])


def inputs() -> Any:
    """Generate few rows of special values; none, some or all of them are processed."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        rows, columns = draw(st.integers(1, 6)), draw(st.integers(2, 5))
        number = st.sampled_from([float("-inf"), float("inf"), float("nan"), -0.0, 0.0, 1.5, -3.1])
        values = draw(st.lists(number, min_size=rows * columns, max_size=rows * columns))
        return {
            "logits": torch.tensor(values).view(rows, columns).to(draw(st.sampled_from([torch.float32, torch.bfloat16]))),
            "rows": sorted(draw(st.sets(st.integers(0, rows - 1)))),
            "process": draw(st.sampled_from([_shifted, _masked, _one_row])),
        }

    return call()


HOOK = Hook(
    name="custom_logit_processor",
    spec=custom_logit_processor,
    reference=custom_logit_processor,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "rows are copied, and the function is the user's in each implementation"),
    summary="logits of the requests with a custom processor, selected by rows that the host knows",
    pure=False,
    writes=("logits",),
)
