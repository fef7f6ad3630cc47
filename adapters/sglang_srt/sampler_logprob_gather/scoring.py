"""``get_token_ids_logprobs_batch_optimized``: the logprobs of named tokens in a batch of prefill-only requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

from ._rows import gather_rows


def _compose(gather: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    torch = upstream.__globals__["torch"]

    def get_token_ids_logprobs_batch_optimized(logprobs: Any, token_ids_logprobs: Any) -> Any:
        if not any(token_ids_logprobs):
            return [logprobs.new_empty(0) for _ in token_ids_logprobs], [[] for _ in token_ids_logprobs]
        rows = gather_rows(gather, torch, logprobs, token_ids_logprobs)
        if rows is NotImplemented:
            return rows
        width = rows.shape[1]
        values = [
            (row if len(token_ids) == width else row[: len(token_ids)]) if token_ids else logprobs.new_empty(0)
            for row, token_ids in zip(rows.unbind(), token_ids_logprobs, strict=False)  # there may be more rows than lists
        ]
        return values, [token_ids or [] for token_ids in token_ids_logprobs]

    return get_token_ids_logprobs_batch_optimized


_WHY = "6 host syncs per batch of prefill-only requests, whatever its size: sums, lists and uploads of lengths"
_NAME = "get_token_ids_logprobs_batch_optimized"

BINDINGS = (
    Binding(
        hook="sampler_logprob_gather",
        targets=(f"sglang.srt.layers.sampler:{_NAME}",),
        forms=(Form(">=0.5.9,<0.5.16", "stalls", _WHY, (_compose,)),),
        repeatable=True,
    ),
    Binding(
        hook="sampler_logprob_gather",
        targets=(f"sglang.srt.layers.logprob_processor:{_NAME}",),
        # The caller: 0.5.21 keeps the function and no longer calls it.
        depends=("sglang.srt.layers.logprob_processor:OutputLogprobProcessor.compute_logprobs_only",),
        forms=(
            Form(">=0.5.16,<0.5.21", "stalls", _WHY, (_compose,)),
            Form(">=0.5.21", "upstreamed", "SGLang calls get_token_ids_logprobs instead, which uploads from pinned memory", None),
        ),
        repeatable=True,
    ),
)
