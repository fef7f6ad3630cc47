"""``Sampler.gather_specific_token_logprobs`` of Model Runner V1: `SamplingParams.logprob_token_ids`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncfree.adapting import Binding, Form


def _compose_logits(gather: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """0.20 and 0.21: from logits with the release's Triton kernel; a rank counts the tokens above the sampled one."""
    vllm = upstream.__globals__  # read at call time, so that whoever replaces one of these functions is heard

    def token_logprobs(logits: Any, ids: Any) -> Any:
        return vllm["compute_token_logprobs"](logits, ids)

    def token_ranks(logits: Any, sampled: Any) -> Any:
        return (logits > logits.gather(-1, sampled.unsqueeze(-1))).sum(dim=-1)

    def gather_specific_token_logprobs(
        self: Any, logits: Any, logprob_token_ids: Mapping[int, Sequence[int]], sampled: Any
    ) -> Any:
        if not logprob_token_ids:
            return None
        result = gather(logits, logprob_token_ids, sampled, token_logprobs, token_ranks)
        return result if result is NotImplemented else vllm["LogprobsTensors"](*result)

    return gather_specific_token_logprobs


def _compose_logprobs(gather: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.22: from raw log-probabilities; a rank counts the tokens not below the sampled one, in a compiled kernel."""
    vllm = upstream.__globals__
    mark_unbacked = vllm["torch"]._dynamo.decorators.mark_unbacked

    def token_logprobs(logprobs: Any, ids: Any) -> Any:
        return logprobs.gather(-1, ids)

    def token_ranks(logprobs: Any, sampled: Any) -> Any:
        sampled_logprobs = logprobs.gather(-1, sampled.unsqueeze(-1))
        # As upstream does it: otherwise a batch of one recompiles the kernel.
        mark_unbacked(logprobs, 0)
        mark_unbacked(sampled_logprobs, 0)
        return vllm["batched_count_greater_than"](logprobs, sampled_logprobs)

    def gather_specific_token_logprobs(
        self: Any, logprobs: Any, logprob_token_ids: Mapping[int, Sequence[int]], sampled: Any
    ) -> Any:
        if not logprob_token_ids:
            return None
        result = gather(logprobs, logprob_token_ids, sampled, token_logprobs, token_ranks)
        return result if result is NotImplemented else vllm["LogprobsTensors"](*result)

    return gather_specific_token_logprobs


BINDING = Binding(
    hook="sampler_logprob_gather",
    targets=("vllm.v1.sample.sampler:Sampler.gather_specific_token_logprobs",),
    forms=(
        Form(
            releases=">=0.20.0,<0.22",
            status="stalls",
            why="one blocking host-to-device copy per request with logprob_token_ids",
            compose=(_compose_logits,),
        ),
        Form(
            releases=">=0.22.0",
            status="upstreamed",
            why="vLLM #41429 builds the matrices in pinned memory",
            compose=(_compose_logprobs,),
        ),
    ),
    repeatable=True,
    note="Model Runner V1 only; Model Runner V2, the default from 0.30, keeps the token ids on the device",
)
