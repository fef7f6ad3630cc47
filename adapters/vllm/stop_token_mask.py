"""``MinTokensLogitsProcessor`` of Model Runner V1, where a request has structured output besides ``min_tokens``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(mask: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def _mask_stop_token_logits(self: Any, logits: Any, logits_slice: Any, restore_logits_slice: Any) -> Any:
        return mask(logits, logits_slice, restore_logits_slice, self.neg_inf_tensor)

    return _mask_stop_token_logits


BINDING = Binding(
    hook="stop_token_mask",
    targets=("vllm.v1.sample.logits_processor.builtin:MinTokensLogitsProcessor._mask_stop_token_logits",),
    forms=(
        Form(
            releases=">=0.29.0",
            status="needed",
            why="every step with min_tokens and structured output waits for the sizes of four selections",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V1 only",
)
