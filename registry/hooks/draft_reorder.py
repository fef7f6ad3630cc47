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
        states: tensors of R rows on one device, changed in place: row ``destination[i]`` becomes what row ``source[i]`` was.
        source: rows in 0 to R - 1; a row may be the destination of another.
        destination: as many rows, all different.
    """
    raise NotImplementedError


def reference(states: tuple[torch.Tensor, ...], source: Sequence[int], destination: Sequence[int]) -> None:
    """Upload both index lists and copy through a temporary, as vLLM 0.21.0 did."""
    import torch

    for state in states:
        rows = torch.tensor(source, dtype=torch.long, device=state.device)
        places = torch.tensor(destination, dtype=torch.long, device=state.device)
        state[places] = state[rows].clone()


def inputs() -> Any:
    """Moves, swaps and cycles of rows of a token matrix and a vector of lengths."""
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
    reference=reference,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "rows are moved, not computed"),
    summary="rows of draft state that move with their requests, by one asynchronous upload",
    pure=False,
    writes=("states",),
)
