"""``BatchedMinNewTokensPenalizer._apply``: the stop tokens of requests that are not long enough, in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(penalize: Callable[..., Any], _: Callable[..., Any]) -> Callable[..., Any]:
    def _apply(self: Any, logits: Any) -> Any:
        return penalize(logits, self.stop_token_penalties, self.len_output_tokens, self.min_new_tokens)

    return _apply


BINDING = Binding(
    hook="min_tokens_penalty",
    targets=("sglang.srt.sampling.penaltylib.min_new_tokens:BatchedMinNewTokensPenalizer._apply",),
    forms=(
        Form(
            ">=0.5.9,<0.5.14", "stalls", "3 host syncs per step while a request with min_new_tokens is in the batch", (_compose,)
        ),
        Form(">=0.5.14", "upstreamed", "SGLang selects by torch.where", None),
    ),
)
