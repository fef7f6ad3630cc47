"""Contract of ``draft_reorder``: rows of per-request state follow their requests to new places in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def draft_reorder(states: tuple[torch.Tensor, ...], source: Sequence[int], destination: Sequence[int]) -> None:
    """Move rows within each tensor, all reads before all writes.

    Args:
        states: tensors ``[R, ...]`` of any dtype, on one device.
        source: rows in 0 to R - 1; a row may be the destination of another.
        destination: as many rows, all different.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``states``, in place: row ``destination[i]`` becomes what row ``source[i]`` was.

    Source:
        vLLM ``v1/spec_decode/ngram_proposer_gpu.py``; #41429 (0.22.0).
    """
    # The reference: both lists of indices are uploaded and rows copied through a temporary, as in vLLM 0.21.0.
    import torch

    for state in states:
        rows = torch.tensor(source, dtype=torch.long, device=state.device)
        places = torch.tensor(destination, dtype=torch.long, device=state.device)
        state[places] = state[rows].clone()


def inputs() -> Any:
    """Generate moves, swaps and cycles of rows of a token matrix and a vector of lengths."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        rows, width = draw(st.integers(2, 8)), draw(st.integers(1, 5))
        moves = draw(st.integers(1, rows))
        tokens = torch.arange(rows * width, dtype=torch.int32).view(rows, width)
        return {
            "states": (tokens, torch.arange(rows, dtype=torch.int32) + 100),
            "source": draw(st.permutations(range(rows)))[:moves],
            "destination": draw(st.permutations(range(rows)))[:moves],
        }

    return call()


HOOK = Hook(
    name="draft_reorder",
    spec=draft_reorder,
    reference=draft_reorder,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "rows are moved, not computed"),
    summary="rows of draft state that move with their requests, by one asynchronous upload",
    pure=False,
    writes=("states",),
)
