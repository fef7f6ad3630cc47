"""Contract of ``draft_handover``: draft tokens that arrived for a batch of which some requests have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def draft_handover(target: torch.Tensor, drafts: torch.Tensor, kept: Sequence[int], rows: Sequence[int]) -> None:
    """Copy some rows of ``drafts`` to rows of ``target``, where the host knows which.

    An implementation must not decline.

    Args:
        target: ``[R, S]``, any dtype.
        drafts: ``[B, S]``, of the same dtype and on the same device.
        kept: the rows of ``drafts`` to copy.
        rows: the row of ``target`` for each of them, none twice.

    Returns:
        None.

    Raises:
        Nothing.

    Mutates:
        ``target``, in place.

    Source:
        vLLM ``v1/worker/gpu/pp_utils.py``, 0.30.0 to 0.32.0.
    """
    # The reference: one row after the other.
    for source, destination in zip(kept, rows, strict=True):
        target[destination] = drafts[source]


def inputs() -> Any:
    """Generate batches of which some, all or no rows are kept."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        batch, width = draw(st.integers(1, 6)), draw(st.integers(0, 3))
        kept = draw(st.lists(st.integers(0, batch - 1), unique=True))
        rows = draw(st.permutations(range(batch + 2)))[: len(kept)]
        return {
            "target": torch.full((batch + 2, width), -1),
            "drafts": torch.arange(batch * width).view(batch, width),
            "kept": kept,
            "rows": rows,
        }

    return call()


HOOK = Hook(
    name="draft_handover",
    spec=draft_handover,
    reference=draft_handover,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "token ids are copied, not computed"),
    summary="draft tokens of the requests that are still there, handed over between pipeline stages without a stall",
    pure=False,
    writes=("target",),
)
