"""``SamplingBatchInfo.from_schedule_batch``: temperatures, top-p, top-k, min-p and logit biases of a new batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    from ._uploads import with_numbers_uploaded

    def from_schedule_batch(cls: Any, batch: Any, vocab_size: Any) -> Any:
        return with_numbers_uploaded(upload, upstream, cls, batch, vocab_size)

    return from_schedule_batch


def _compose_biases(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.5.14: only logit biases make the host wait."""
    with_uploads = _compose(upload, upstream)

    def from_schedule_batch(cls: Any, batch: Any, vocab_size: Any) -> Any:
        if any(request.sampling_params.logit_bias is not None for request in batch.reqs):
            return with_uploads(cls, batch, vocab_size)
        return NotImplemented

    return from_schedule_batch


BINDING = Binding(
    hook="sampling_parameters",
    targets=("sglang.srt.sampling.sampling_batch_info:SamplingBatchInfo.from_schedule_batch",),
    forms=(
        Form(">=0.5.9,<0.5.14", "stalls", "4 host syncs per new batch, and 1 per logit bias of its requests", (_compose,)),
        Form(">=0.5.14,<0.5.21", "stalls", "1 host sync per logit bias of the requests of a new batch", (_compose_biases,)),
        Form(">=0.5.21", "upstreamed", "SGLang uploads everything from pinned memory", None),
    ),
)
