"""Contract of ``stop_token_mask``: stop tokens cannot be sampled yet, unless nothing else is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def stop_token_mask(
    logits: torch.Tensor,
    masked: tuple[torch.Tensor, torch.Tensor],
    restored: tuple[torch.Tensor, torch.Tensor],
    value: torch.Tensor,
    distinct_rows: int,
) -> None:
    """Mask logits; in a row that then is -inf throughout, give back those of ``restored`` that were finite before.

    Args:
        logits: ``[B, V]`` floating point.
        masked: rows and columns ``[M]`` of the logits to mask, int32 or int64, on the device of ``logits``.
        restored: rows and columns ``[N]`` of those to give back, of the same dtype and device.
        value: -inf, without dimensions (``[]``), in the dtype and on the device of ``logits``.
        distinct_rows: how often a row in ``restored`` differs from the one before it, the first one included, or a larger
            number. The host knows it, as each request's entries stand together; it bounds what has to be looked at.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``logits``, in place.

    Source:
        vLLM ``v1/sample/logits_processor/builtin.py``, in every release that was read from 0.29.0 on.
    """
    # The reference: one entry after the other.
    before = logits.clone()
    for row, column in zip(*(part.tolist() for part in masked), strict=True):
        logits[row, column] = value
    gone = [bool(row.isneginf().all()) for row in logits]
    for row, column in zip(*(part.tolist() for part in restored), strict=True):
        if gone[row] and before[row, column].isfinite():
            logits[row, column] = before[row, column]


def inputs() -> Any:
    """Generate few columns of few values, so that rows are left with nothing; what is given back was masked, or was not."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 4))
        number = st.sampled_from([float("-inf"), float("-inf"), float("inf"), float("nan"), -0.0, 1.5])
        logits = draw(st.lists(number, min_size=rows * columns, max_size=rows * columns))
        entries = st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)), max_size=8)
        dtype = draw(st.sampled_from([torch.int32, torch.int64]))

        def indices() -> tuple[torch.Tensor, ...]:
            return tuple(torch.tensor(draw(entries), dtype=dtype).view(-1, 2).unbind(1))

        restored = indices()
        distinct = len(torch.unique_consecutive(restored[0]))
        return {
            "logits": torch.tensor(logits).view(rows, columns),
            "masked": indices(),
            "restored": restored,
            "value": torch.tensor(float("-inf")),
            "distinct_rows": distinct + draw(st.integers(0, 1)),
        }

    return call()


HOOK = Hook(
    name="stop_token_mask",
    spec=stop_token_mask,
    reference=stop_token_mask,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "logits are masked and put back, not computed"),
    summary="stop tokens masked, and given back where nothing else is left, without asking the device how many",
    pure=False,
    writes=("logits",),
)
