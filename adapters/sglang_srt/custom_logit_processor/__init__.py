"""``apply_custom_logit_processor``: functions of users that replace the logits of their requests, in each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

from .batches import compose_filter, compose_merge


def _compose(process_rows: Callable[..., Any], upstream: Callable[..., Any], *, per_token: bool = False) -> Callable[..., Any]:
    """With several tokens per request a processor gets the parameters of a request once, or `per_token`."""
    from ._rows import ROWS, can_follow

    module = upstream.__globals__

    def process(logits: Any, processor: Any, mask: Any, all_params: Any, tokens: int) -> None:
        requests = ROWS.read(mask)
        params = [all_params[request] for request in requests for _ in range(tokens if per_token else 1)]

        def processed(selected: Any) -> Any:
            return processor(selected, params)

        rows = [request * tokens + token for request in requests for token in range(tokens)]
        if process_rows(logits, rows, processed) is NotImplemented:
            wide = module["torch"].repeat_interleave(mask, tokens)
            logits[wide] = processed(logits[wide])

    def apply_custom_logit_processor(logits: Any, sampling_batch_info: Any, num_tokens_in_batch: Any = 1) -> Any:
        size = len(sampling_batch_info)
        found = sampling_batch_info.custom_logit_processor.values()
        masks = [mask for _, mask in found]
        # Upstream's assertions are upstream's to raise.
        if logits.shape[0] != size * num_tokens_in_batch or any(mask.shape[0] != size for mask in masks):
            return NotImplemented
        if not can_follow(masks):
            return NotImplemented
        for processor, mask in found:
            process(logits, processor, mask, sampling_batch_info.custom_params, num_tokens_in_batch)
            module["logger"].debug(f"Custom logit processor {processor.__class__.__name__} is applied.")
        return None

    return apply_custom_logit_processor


def _compose_per_token(process_rows: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """0.5.20."""
    return _compose(process_rows, upstream, per_token=True)


_BATCH = "sglang.srt.sampling.sampling_batch_info:SamplingBatchInfo"
_WHY = (
    "3 host syncs per custom logit processor and 1 per request that uses it, in each step; 1 per processor of a new batch is left"
)

BINDINGS = (
    Binding(
        hook="custom_logit_processor",
        targets=("sglang.srt.layers.sampler:apply_custom_logit_processor",),
        forms=(
            Form(">=0.5.9,<0.5.20", "stalls", _WHY, (_compose,)),
            Form(">=0.5.20,<0.5.21", "stalls", _WHY, (_compose_per_token,)),
            Form(">=0.5.21", "upstreamed", "SGLang keeps the rows on the host, beside the device's", None),
        ),
    ),
    Binding(
        hook="custom_logit_processor",
        targets=(f"{_BATCH}._filter_batch_custom_logit_processor", f"{_BATCH}.merge_custom_logit_processor"),
        forms=(
            Form(
                ">=0.5.9,<0.5.21",
                "stalls",
                "1 host sync per custom logit processor whenever requests leave a batch",
                (compose_filter, compose_merge),
            ),
        ),
    ),
)
