"""Contract of ``min_tokens_penalty``: stop tokens are penalized until a request has generated its least number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def min_tokens_penalty(
    logits: torch.Tensor, penalties: torch.Tensor, generated: torch.Tensor, least: torch.Tensor
) -> None:
    """Add each row's penalties to its logits where it has generated fewer tokens than it must.

    A row that has generated enough keeps its bits, those of -0.0 and of NaN, too.

    Args:
        logits: ``[B, V]`` floating point.
        penalties: ``[B, V]`` float32, -inf at a row's stop tokens and 0 elsewhere; any strides.
        generated: ``[B, 1]`` int32, tokens that each row has generated.
        least: ``[B, 1]`` int32, tokens that it must generate.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``logits``, in place.

    Source:
        SGLang ``srt/sampling/penaltylib/min_new_tokens.py`` up to 0.5.13; 0.5.14 adds zeros to the other rows instead, which turns
        -0.0 into 0.0 there.
    """
    # The reference: rows are looked for on the device, as in SGLang 0.5.9.
    mask = (generated < least).expand_as(logits)
    logits[mask] += penalties[mask]


def inputs() -> Any:
    """Generate few columns of special values, with rows that have generated enough and rows that have not."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        rows, columns = draw(st.integers(0, 6)), draw(st.integers(1, 5))
        number = st.sampled_from([float("-inf"), float("inf"), float("nan"), -0.0, 0.0, 1.5, -3.1])
        dtype = draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))

        def matrix(of: st.SearchStrategy[float], width: int) -> torch.Tensor:
            return torch.tensor(draw(st.lists(of, min_size=rows * width, max_size=rows * width))).view(rows, width)

        few = st.integers(0, 3)
        return {
            "logits": matrix(number, columns).to(dtype),
            "penalties": matrix(st.sampled_from([0.0, float("-inf")]), columns + 1).float()[:, :columns],
            "generated": matrix(few, 1).int(),
            "least": matrix(few, 1).int(),
        }

    return call()


HOOK = Hook(
    name="min_tokens_penalty",
    spec=min_tokens_penalty,
    reference=min_tokens_penalty,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "the same sum is made in the rows that are penalized, and the others are copied"),
    summary="stop tokens penalized until a request is long enough, without asking the device which rows are not",
    pure=False,
    writes=("logits",),
)
