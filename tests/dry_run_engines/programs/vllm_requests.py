"""The requests that the vLLM programs of this folder serve, and the settings of their engines."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from vllm import LLM, SamplingParams
from vllm.config.kernel import KernelConfig
from vllm.lora.request import LoRARequest

COMMON: dict[str, Any] = {
    "dtype": os.environ.get("DTYPE", "bfloat16"),
    "max_model_len": 256,
    "num_gpu_blocks_override": 64,
    "max_num_seqs": 8,
    "max_num_batched_tokens": 256,
    "gpu_memory_utilization": 0.5,
    "disable_log_stats": True,
    "enable_prefix_caching": False,
    "seed": 0,
}
POOLING: dict[str, Any] = {
    "enforce_eager": True,
    "runner": "pooling",
    "convert": "embed",
    "max_num_batched_tokens": 64,  # so that a long prompt takes several steps, and a part of the batch is finished before
    "enable_chunked_prefill": True,
}
ENGINES: dict[str, dict[str, Any]] = {
    "eager": {"enforce_eager": True},
    "eager with random weights": {"enforce_eager": True, "load_format": "dummy"},
    "compiled": {},
    "steps in turn": {"enforce_eager": True, "async_scheduling": False},
    "pooling": POOLING,
    "pooling by a registered model": {**POOLING, "hf_overrides": {"architectures": ["LlamaWithOwnPooler"]}},
    "lora": {"enforce_eager": True, "enable_lora": True, "max_loras": 2, "max_lora_rank": 8},
}


def settings(engine: str) -> dict[str, Any]:
    """Return the arguments of an engine. Without CUDA graphs none before 0.32 compiles its kernels ahead, for minutes."""
    chosen = {**COMMON, **ENGINES[engine]}
    if chosen.get("enforce_eager") and "enable_jit_warmup" in KernelConfig.__dataclass_fields__:
        chosen["kernel_config"] = {"enable_jit_warmup": False}
    return chosen


LENGTH = {"max_tokens": 8, "ignore_eos": True, "detokenize": False}


def bad_words(_: int) -> SamplingParams:
    sampling = SamplingParams(temperature=0, **LENGTH)
    sampling._bad_words_token_ids = [[5], [0, 7], [67, 7], [67, 67, 9], [8]]
    return sampling


def structured(_: int) -> SamplingParams:
    from vllm.sampling_params import StructuredOutputsParams

    grammar = StructuredOutputsParams(regex="[a-z ]{20,30}")
    return SamplingParams(temperature=0, min_tokens=6, stop_token_ids=[2, 3], structured_outputs=grammar, **LENGTH)


CASES: dict[str, Any] = {
    "greedy": lambda _: SamplingParams(temperature=0, **LENGTH),
    "lora": lambda _: SamplingParams(temperature=0, **LENGTH),
    "penalties": lambda _: SamplingParams(
        temperature=0.8, presence_penalty=0.5, frequency_penalty=0.2, repetition_penalty=1.1, **LENGTH
    ),
    "bad_words": bad_words,
    "logprobs": lambda _: SamplingParams(temperature=0, logprobs=3, **LENGTH),
    "logprob_token_ids": lambda i: SamplingParams(temperature=0, logprob_token_ids=[3, 4, 5 + i], **LENGTH),
    "min_tokens": lambda _: SamplingParams(temperature=0, min_tokens=6, stop_token_ids=[2, 3], **LENGTH),
    "structured": structured,
    "prompt_logprobs": lambda _: SamplingParams(temperature=0, prompt_logprobs=2, **LENGTH),
    "seeded": lambda i: SamplingParams(temperature=0.9, seed=i, min_p=0.1, **LENGTH),
    "logit_bias": lambda _: SamplingParams(
        temperature=0, logit_bias={5: 1.0, 7: -2.0}, allowed_token_ids=[5, 6, 7, 67], **LENGTH
    ),
    "top_k_top_p": lambda _: SamplingParams(temperature=0.7, top_k=10, top_p=0.9, **LENGTH),
}


def serve(llm: LLM, case: str, step: Callable[[], AbstractContextManager[Any]]) -> tuple[int, list[list[int]]]:
    """Serve three requests, and a fourth that joins after four steps; return the number of steps and each request's tokens.

    `step` is entered around every step of the engine.
    """
    engine = llm.llm_engine
    adapters = os.environ.get("ADAPTERS", "").split(os.pathsep)

    def add(index: int) -> None:
        which = index % 2
        lora = LoRARequest(f"adapter-{which}", 1 + which, adapters[which]) if case == "lora" else None
        engine.add_request(f"{case}-{index}", {"prompt_token_ids": [5 + index, 6, 7, 8]}, CASES[case](index), lora_request=lora)

    for index in range(3):
        add(index)
    steps = 0
    generated: dict[str, list[int]] = {}
    while engine.has_unfinished_requests():
        with step():
            outputs = engine.step()
        for output in outputs:
            if output.finished:
                generated[output.request_id.split("-")[1]] = list(output.outputs[0].token_ids)
        steps += 1
        if steps == 4:
            add(3)
        if steps > 60:
            raise RuntimeError(f"{case}: requests are not finished after {steps} steps")
    return steps, [generated[str(index)] for index in range(4)]
