"""``get_token_ids_logprobs``: the logprobs of named tokens in a decode step, and from 0.5.21 in a prefill-only batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

from ._rows import gather_rows


def _compose_lists(gather: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """0.5.9: the values are lists on the host."""
    with_choice = _compose(gather, upstream)

    def get_token_ids_logprobs(logprobs: Any, token_ids_logprobs: Any) -> Any:
        return with_choice(logprobs, token_ids_logprobs, False)

    return get_token_ids_logprobs


def _compose(gather: Callable[..., Any], upstream: Callable[..., Any], *, tensors: bool = False) -> Callable[..., Any]:
    """From 0.5.10: tensors on the device, where `no_copy_to_cpu`; `tensors`: for a request that names nothing, too."""
    torch = upstream.__globals__["torch"]

    def get_token_ids_logprobs(logprobs: Any, token_ids_logprobs: Any, no_copy_to_cpu: bool) -> Any:
        if sum(map(bool, token_ids_logprobs)) < (_FEW if no_copy_to_cpu else 1):
            return NotImplemented  # upstream's code does not wait, and does less
        rows = gather_rows(gather, torch, logprobs, token_ids_logprobs)
        if rows is NotImplemented:
            return rows
        width = rows.shape[1]
        values = []
        # On the host with one wait for the batch. There may be more rows than lists.
        of_row = rows.unbind() if no_copy_to_cpu else rows.tolist()
        for row, token_ids in zip(of_row, token_ids_logprobs, strict=False):
            if token_ids:
                values.append(row if len(token_ids) == width else row[: len(token_ids)])
            elif no_copy_to_cpu and (tensors or token_ids is not None):
                values.append(logprobs.new_empty(0))
            else:
                values.append([])
        return values, [[] if token_ids is None else token_ids for token_ids in token_ids_logprobs]

    return get_token_ids_logprobs


def _compose_tensors(gather: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.5.21."""
    return _compose(gather, upstream, tensors=True)


_FEW = 8
"""Requests that name tokens, below which a request's own upload and kernel are cheaper than one padded matrix."""
_PAGEABLE = "an upload, staged by the driver, and a kernel for each request that names tokens, in each decode step"
_PINNED = "an upload and a kernel for each request that names tokens, in each decode step and prefill-only batch"
_READ_BACK = "2 host syncs per request that names tokens, in each decode step; 1 per step is left"
_BEFORE, _SINCE = "sglang.srt.layers.utils.logprob", "sglang.srt.layers.logprob_processor"

BINDINGS = (
    Binding(
        hook="sampler_logprob_gather",
        targets=(f"{_BEFORE}:get_token_ids_logprobs",),
        depends=(f"{_BEFORE}:get_token_ids_logprobs_raw",),
        forms=(
            Form(">=0.5.9,<0.5.10", "stalls", _READ_BACK, (_compose_lists,)),
            Form(">=0.5.10,<0.5.16", "repeats work", _PAGEABLE, (_compose,)),
        ),
        repeatable=True,
    ),
    Binding(
        hook="sampler_logprob_gather",
        targets=(f"{_SINCE}:get_token_ids_logprobs",),
        depends=(f"{_SINCE}:get_token_ids_logprobs_raw",),
        forms=(
            Form(">=0.5.16,<0.5.21", "repeats work", _PAGEABLE, (_compose,)),
            Form(">=0.5.21", "repeats work", _PINNED, (_compose_tensors,)),
        ),
        repeatable=True,
    ),
)
