"""Bad words of Model Runner V1, for sampled tokens and for drafts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

BadWords = dict[int, list[list[int]]]


def _compose(mask: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def apply_bad_words(logits: Any, bad_words_token_ids: BadWords, past_tokens_ids: list[list[int]]) -> Any:
        return mask(logits, bad_words_token_ids, past_tokens_ids)

    return apply_bad_words


def _compose_with_drafts(mask: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def apply_bad_words_with_drafts(
        logits: Any, bad_words_token_ids: BadWords, past_tokens_ids: list[list[int]], num_draft_tokens: list[int]
    ) -> Any:
        words, start = {}, 0
        for request, count in enumerate(num_draft_tokens):
            forbidden = bad_words_token_ids.get(request)
            if forbidden is not None:
                words.update(dict.fromkeys(range(start, start + count), forbidden))
            start += count
        return mask(logits, words, past_tokens_ids)

    return apply_bad_words_with_drafts


_MODULE = "vllm.v1.sample.ops.bad_words"
BINDING = Binding(
    hook="bad_words_mask",
    targets=(f"{_MODULE}:apply_bad_words", f"{_MODULE}:apply_bad_words_with_drafts"),
    depends=(f"{_MODULE}:_apply_bad_words_single_batch",),
    forms=(
        Form(
            releases=">=0.18.1,<0.22",
            status="stalls",
            why="one blocking host-to-device copy per matching word",
            compose=(_compose, _compose_with_drafts),
            torch="<2.15",
        ),
        Form(
            releases=">=0.18.1,<0.22",
            status="upstreamed",
            why="fixed by torch 2.15 (PyTorch #188267), whose store of a number is a fill; still one kernel per matching word",
            compose=(_compose, _compose_with_drafts),
            torch=">=2.15",
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 fills; still one kernel per matching word",
            compose=(_compose, _compose_with_drafts),
        ),
    ),
    same_call=True,
    note="Model Runner V1 only",
)
