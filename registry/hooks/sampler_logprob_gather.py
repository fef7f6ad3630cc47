"""Contract of ``sampler_logprob_gather``: the log-probabilities of the token ids that each request asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gather the log-probabilities of the sampled token and of each request's own list of token ids.

    Lists of different lengths are padded on the right to the longest one, K.

    Args:
        scores: ``[B, V]`` floating point, logits or log-probabilities as the framework has them.
        token_ids: row of ``scores`` to the token ids asked for; rows that ask for nothing are left out or have an empty
            list, an id may occur twice.
        sampled: ``[B]`` int64 on the device of ``scores``.
        token_logprobs: the framework's own arithmetic, ``(scores, ids [B, K+1] int64) -> [B, K+1]`` log-probabilities.
        token_ranks: the framework's own arithmetic, ``(scores, sampled) -> [B]`` integer ranks of the sampled tokens.

    Returns:
        ids ``[B, K+1]`` int32 with the sampled token first and 0 as padding; log-probabilities ``[B, K+1]`` with -inf as
        padding; ranks ``[B]``. All on the device of ``scores``.

    Raises:
        IndexError: a row of ``token_ids`` is not a row of ``scores``. An implementation may decline such a call instead.
        Exception: whatever ``token_logprobs`` raises for a token id outside of the vocabulary.

    Mutates:
        Nothing.

    Source:
        vLLM ``v1/sample/sampler.py``; #41429 (0.22.0).
    """
    # The reference: both matrices are filled on the device, request by request, as in vLLM 0.20.0.
    import torch

    width = 1 + max((len(ids) for ids in token_ids.values()), default=0)
    ids = torch.zeros(scores.shape[0], width, dtype=torch.int64, device=scores.device)
    valid = torch.zeros(scores.shape[0], width, dtype=torch.bool, device=scores.device)
    ids[:, 0] = sampled
    valid[:, 0] = True
    for row, asked in token_ids.items():
        ids[row, 1 : len(asked) + 1] = torch.tensor(asked, dtype=torch.int64, device=scores.device)
        valid[row, 1 : len(asked) + 1] = True
    logprobs = token_logprobs(scores, ids).masked_fill(~valid, float("-inf"))
    return ids.to(torch.int32), logprobs, token_ranks(scores, sampled)


def logprobs_of_logits(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Normalise logits ``[B, V]`` and gather ``ids``."""
    return logits.float().log_softmax(-1).gather(-1, ids)


def ranks_of_logits(logits: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor:
    """Count the tokens that are strictly better than the sampled one."""
    return (logits > logits.gather(-1, sampled.unsqueeze(-1))).sum(-1)


def logprobs_of_logprobs(logprobs: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Gather ``ids`` of log-probabilities ``[B, V]``."""
    return logprobs.gather(-1, ids)


def ranks_of_logprobs(logprobs: torch.Tensor, sampled: torch.Tensor) -> torch.Tensor:
    """Count the tokens that are at least as good as the sampled one."""
    return (logprobs >= logprobs.gather(-1, sampled.unsqueeze(-1))).sum(-1)


def inputs() -> Any:
    """Generate ragged requests over small vocabularies with ties, in both arithmetics."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        batch, vocabulary = draw(st.integers(1, 6)), draw(st.integers(1, 40))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        scores = torch.randint(-8, 8, (batch, vocabulary), generator=generator) / 4
        scores = scores.to(draw(st.sampled_from([torch.float32, torch.bfloat16])))
        token = st.integers(0, vocabulary - 1)
        asked = draw(st.dictionaries(st.integers(0, batch - 1), st.lists(token, max_size=7), max_size=batch))
        from_logits = draw(st.booleans())
        return {
            "scores": scores,
            "token_ids": asked,
            "sampled": torch.tensor(draw(st.lists(token, min_size=batch, max_size=batch))),
            "token_logprobs": logprobs_of_logits if from_logits else logprobs_of_logprobs,
            "token_ranks": ranks_of_logits if from_logits else ranks_of_logprobs,
        }

    return call()


HOOK = Hook(
    name="sampler_logprob_gather",
    spec=sampler_logprob_gather,
    reference=sampler_logprob_gather,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "ids are integers and all arithmetic is the framework's own"),
    summary="log-probabilities of the token ids that each request asked for, from one upload",
)
