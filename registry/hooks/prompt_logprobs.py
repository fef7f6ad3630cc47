"""Contract of ``prompt_logprobs``: the log-probabilities of a prompt's own tokens, on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import torch


@hookspec
def prompt_logprobs(
    hidden_states: torch.Tensor,
    token_ids: Sequence[int],
    score: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
    targets: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Score positions of a prompt and copy the results to the host, where they may arrive after the call.

    The caller waits for the current stream, or for an event on it, before it reads ``targets``.

    Args:
        hidden_states: ``[N, H]`` floating point, of the positions.
        token_ids: N token ids on the host, the token that follows each position.
        score: the framework's own arithmetic, ``(hidden_states, token_ids [N] int64) -> (ids [N, K], log-probabilities
            [N, K], ranks [N])``, all on the device of ``hidden_states``.
        targets: CPU tensors for these, ``[N, K]`` int32, ``[N, K]`` float32 and ``[N]`` int32, in pinned memory where
            ``hidden_states`` is on a GPU: a copy to pageable memory makes the host wait.

    Returns:
        None.

    Raises:
        Exception: whatever ``score`` raises, as for a token id outside of the vocabulary on the CPU.

    Mutates:
        ``targets``, in stream order.

    Source:
        vLLM ``v1/worker/gpu_model_runner.py``, in every release that was read.
    """
    # The reference: the ids are uploaded, and every result is copied, and waited for.
    import torch

    ids = torch.tensor(token_ids, dtype=torch.int64, device=hidden_states.device)
    for target, values in zip(targets, score(hidden_states, ids), strict=True):
        target.copy_(values)


def top_two(hidden_states: torch.Tensor, token_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take hidden states for logits, and return each position's own token before the two best ones, as vLLM does."""
    import torch

    logprobs = hidden_states.log_softmax(-1, dtype=torch.float32)
    best, indices = torch.topk(logprobs, 2, dim=-1)
    own = logprobs.gather(-1, token_ids.unsqueeze(-1))
    ids = torch.cat((token_ids.unsqueeze(-1), indices), dim=1)
    return ids.to(torch.int32), torch.cat((own, best), dim=1), (logprobs >= own).sum(-1)


def inputs() -> Any:
    """Generate prompts of small vocabularies with ties; ranks are int64, and become int32."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        positions, vocabulary = draw(st.integers(1, 6)), draw(st.integers(2, 12))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
        hidden = torch.randint(-8, 8, (positions, vocabulary), generator=generator) / 4
        ids = st.lists(st.integers(0, vocabulary - 1), min_size=positions, max_size=positions)
        shape, whole = (positions, 3), torch.int32
        return {
            "hidden_states": hidden.to(draw(st.sampled_from([torch.float32, torch.bfloat16]))),
            "token_ids": draw(ids),
            "score": top_two,
            "targets": (torch.zeros(shape, dtype=whole), torch.zeros(shape), torch.zeros(positions, dtype=whole)),
        }

    return call()


HOOK = Hook(
    name="prompt_logprobs",
    spec=prompt_logprobs,
    reference=prompt_logprobs,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "all arithmetic is the framework's own; results are copied"),
    summary="log-probabilities of a prompt's tokens copied to the host, which waits for them with the step's result",
    pure=False,
    writes=("targets",),
    on_host=("token_ids", "targets"),
    pinned=("targets",),
)
