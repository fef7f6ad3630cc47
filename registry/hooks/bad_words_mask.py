"""Contract of ``bad_words_mask``: tokens that would complete a forbidden word cannot be sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def bad_words_mask(logits: torch.Tensor, words: Mapping[int, Sequence[list[int]]], past: Sequence[list[int]]) -> None:
    """Set the logit of each word's last token to -inf where the tokens before it were generated already.

    Args:
        logits: ``[B, V]`` floating point.
        words: row of ``logits`` to its forbidden words, each a list of one or more token ids.
        past: for each row the tokens generated so far, oldest first.

    Returns:
        None.

    Raises:
        IndexError: a last token outside of the vocabulary. An implementation may decline such a call instead.

    Mutates:
        ``logits``, in place.

    Source:
        vLLM ``v1/sample/ops/bad_words.py``; #41429 (0.22.0).
    """
    # The reference: one logit after the other, as vLLM 0.21.0 wrote them.
    for row, forbidden in words.items():
        for word in forbidden:
            if is_complete(word, past[row]):
                logits[row][word[-1]] = float("-inf")


def is_complete(word: list[int], past: list[int]) -> bool:
    """Return whether all but the last token of a word were just generated."""
    prefix = len(word) - 1
    return prefix == 0 or (prefix <= len(past) and past[-prefix:] == word[:prefix])


def inputs() -> Any:
    """Generate short words over few tokens, so that many prefixes match."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        batch, vocabulary = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        token = st.integers(0, vocabulary - 1)
        word = st.lists(token, min_size=1, max_size=3)
        return {
            "logits": torch.arange(float(batch * vocabulary)).view(batch, vocabulary),
            "words": draw(st.dictionaries(st.integers(0, batch - 1), st.lists(word, max_size=5))),
            "past": draw(st.lists(st.lists(token, max_size=4), min_size=batch, max_size=batch)),
        }

    return call()


HOOK = Hook(
    name="bad_words_mask",
    spec=bad_words_mask,
    reference=bad_words_mask,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "only -inf is written"),
    summary="all tokens that would complete a bad word, masked in one write",
    pure=False,
    writes=("logits",),
)
