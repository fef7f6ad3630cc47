"""``MinTokensLogitsProcessor`` of Model Runner V1, where a request has structured output besides ``min_tokens``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_PROCESSOR = "vllm.v1.sample.logits_processor.builtin:MinTokensLogitsProcessor"


def _compose(mask: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def _mask_stop_token_logits(self: Any, logits: Any, logits_slice: Any, restore_logits_slice: Any) -> Any:
        return mask(logits, logits_slice, restore_logits_slice, self.neg_inf_tensor, _distinct_rows(self, restore_logits_slice))

    return _mask_stop_token_logits


def _distinct_rows(processor: Any, restored: Any) -> int:
    """Return how many rows are named: one for each request, or with drafts at most as many as the fewest stop tokens fit in."""
    sizes = [len(stop_tokens) for _, _, stop_tokens, structured in processor.min_toks.values() if structured and stop_tokens]
    if restored is processor.restore_logits_slice:
        return len(sizes)
    return int(len(restored[0]) // min(sizes))


BINDING = Binding(
    hook="stop_token_mask",
    targets=(f"{_PROCESSOR}._mask_stop_token_logits",),
    depends=tuple(f"{_PROCESSOR}.{name}" for name in ("add_request", "update_state", "apply", "apply_with_spec_decode")),
    forms=(
        Form(
            releases=">=0.29.0",
            status="stalls",
            why="every step with min_tokens and structured output waits for the sizes of four selections",
            compose=(_compose,),
        ),
    ),
    note="Model Runner V1 only",
)
