"""``Sampler.apply_staged_writes`` of Model Runner V2, which vLLM calls in every step.

`Sampler.add_request` is the only writer of what it copies, apart from logits processors that are not vLLM's own. A sampler
is up to date as long as no request was added and the tensor that the last write made is still the one in use: upstream's
writes replace it, so a switch between steps is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_WRITTEN = "_syncfree_written"
"""On a sampler: the tensor that the last write made; absent or None when it has to be written."""


# The parameters of each are written out: with *arguments a call takes 7 to 12 % longer.
def _compose_add(write_staged: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def add_request(self: Any, req_idx: int, prompt_len: int, sampling_params: Any) -> None:
        setattr(self, _WRITTEN, None)
        upstream(self, req_idx, prompt_len, sampling_params)

    return add_request


def _compose_add_from_0_31(write_staged: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def add_request(self: Any, req_idx: int, sampling_params: Any) -> None:
        setattr(self, _WRITTEN, None)
        upstream(self, req_idx, sampling_params)

    return add_request


def _compose_apply(write_staged: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def apply_staged_writes(self: Any) -> Any:
        written = getattr(self, _WRITTEN, None)
        changed = written is None or written is not self.sampling_states.temperature.gpu

        def write() -> None:
            upstream(self)
            setattr(self, _WRITTEN, self.sampling_states.temperature.gpu)

        return write_staged(changed, write, _of_others(self))

    return apply_staged_writes


def _of_others(sampler: Any) -> list[Callable[[], None]]:
    """Return the methods that logits processors other than vLLM's own run in every step; there are such from 0.31."""
    processors = getattr(sampler, "logits_processors", ())
    return [p.apply_staged_writes for p in processors if not type(p).__module__.startswith("vllm.")]


_SAMPLER = "vllm.v1.worker.gpu.sample.sampler:Sampler"
_WHY = "every step copies all sampling parameters, also when no request was added"
BINDING = Binding(
    hook="sampler_staged_writes",
    targets=(f"{_SAMPLER}.add_request", f"{_SAMPLER}.apply_staged_writes"),
    forms=(
        Form(">=0.20.2,<0.31", "repeats work", _WHY, (_compose_add, _compose_apply)),
        Form(">=0.31.0", "repeats work", _WHY, (_compose_add_from_0_31, _compose_apply)),
    ),
    note="Model Runner V2 only; saves host time, nothing stalls here",
)
