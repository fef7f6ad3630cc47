"""Contract of ``output_token_matrix``: all tokens that the requests of a batch have generated, as one padded matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def output_token_matrix(output_token_ids: Sequence[list[int]], vocab_size: int, device: torch.device) -> torch.Tensor:
    """Put the generated tokens of every request on the device, padded on the right to the longest.

    The lists belong to the framework, which changes them between two calls as it likes: tokens are appended, taken back and
    replaced, requests come, leave and trade rows. An implementation may keep from one call to the next what it has sent, but
    not rely on any of the lists being as it was.

    Args:
        output_token_ids: B lists of token ids, each of any length; -1 may stand for a token that is not known yet.
        vocab_size: the padding, which is no token's id.
        device: where the matrix is needed.

    Returns:
        ``[B, longest]`` int64, contiguous; ``[B, 0]`` when all lists are empty. It is the caller's own, to be changed freely.

    Raises:
        OverflowError: a token id that is no 64-bit integer.

    Mutates:
        Nothing.

    Source:
        vLLM ``v1/sample/ops/penalties.py``, in every release that was read.
    """
    # The reference: every list is converted in every step, as in vLLM.
    import torch

    longest = max(map(len, output_token_ids), default=0)
    padded = [tokens + [vocab_size] * (longest - len(tokens)) for tokens in output_token_ids]
    return torch.tensor(padded, dtype=torch.int64).view(len(padded), longest).to(device)


def inputs() -> Any:
    """Generate ragged lists over few tokens, with placeholders; calls that follow each other share many a prefix."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        vocabulary = draw(st.integers(1, 3))
        tokens = st.lists(st.integers(-1, vocabulary - 1), max_size=12)
        return {
            "output_token_ids": draw(st.lists(tokens, max_size=6)),
            "vocab_size": vocabulary,
            "device": torch.device("cpu"),
        }

    return call()


HOOK = Hook(
    name="output_token_matrix",
    spec=output_token_matrix,
    reference=output_token_matrix,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "token ids are copied, not computed"),
    summary="all generated tokens of a batch as one matrix that grows by what is new",
)
