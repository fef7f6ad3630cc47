"""``_BatchedPenalizer.prepare``: the penalties of a new batch, for all kinds of penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form


def _compose(upload: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    from ._uploads import with_numbers_uploaded

    def prepare(self: Any) -> Any:
        return with_numbers_uploaded(upload, upstream, self)

    return prepare


_PENALIZERS = "sglang.srt.sampling.penaltylib"
_WHY = "1 host sync per kind of penalty in a new batch, and with min_new_tokens 1 per request"

BINDING = Binding(
    hook="sampling_parameters",
    targets=(f"{_PENALIZERS}.orchestrator:_BatchedPenalizer.prepare",),
    depends=(
        f"{_PENALIZERS}.frequency_penalty:BatchedFrequencyPenalizer._prepare",
        f"{_PENALIZERS}.presence_penalty:BatchedPresencePenalizer._prepare",
        f"{_PENALIZERS}.repetition_penalty:BatchedRepetitionPenalizer._prepare",
        f"{_PENALIZERS}.min_new_tokens:BatchedMinNewTokensPenalizer._prepare",
    ),
    forms=(
        Form(">=0.5.9,<0.5.21", "stalls", _WHY, (_compose,)),
        Form(">=0.5.21", "upstreamed", "SGLang uploads from pinned memory", None),
    ),
)
