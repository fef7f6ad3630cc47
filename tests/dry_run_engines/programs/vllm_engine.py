"""Run cases on a tiny model in one vLLM engine in the dry run. Usage: vllm_engine.py ENGINE MODEL CASE=[HOOK]...

No kernel computes a sampled token, so each request is given one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from measuring import BEGUN, Measurement, about
from vllm import LLM, PoolingParams, SamplingParams
from vllm.lora.request import LoRARequest
from vllm_samples import give_tokens

V2 = os.environ["VLLM_USE_V2_MODEL_RUNNER"] == "1"
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
    "compiled": {},
    "pooling": POOLING,
    "pooling by a registered model": {**POOLING, "hf_overrides": {"architectures": ["LlamaWithOwnPooler"]}},
    "lora": {"enforce_eager": True, "enable_lora": True, "max_loras": 2, "max_lora_rank": 8},
}
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


def run(llm: LLM, case: str, hook: str | None, adapters: list[str]) -> dict[str, Any]:
    """Serve three requests, and a fourth that joins after four steps."""
    engine, measurement = llm.llm_engine, Measurement(hook)

    def add(index: int) -> None:
        which = index % 2
        lora = LoRARequest(f"adapter-{which}", 1 + which, adapters[which]) if case == "lora" else None
        engine.add_request(f"{case}-{index}", {"prompt_token_ids": [5 + index, 6, 7, 8]}, CASES[case](index), lora_request=lora)

    for index in range(3):
        add(index)
    steps = 0
    generated: dict[str, list[int]] = {}
    while engine.has_unfinished_requests():
        with measurement.step():
            outputs = engine.step()
        for output in outputs:
            if output.finished:
                generated[output.request_id.split("-")[1]] = list(output.outputs[0].token_ids)
        steps += 1
        if steps == 4:
            add(3)
        if steps > 60:
            raise RuntimeError(f"{case}: requests are not finished after {steps} steps")
    return {**measurement.told(), "steps": steps, "generated": [generated[str(index)] for index in range(4)]}


def pool(llm: LLM, hook: str | None) -> dict[str, Any]:
    """Serve four embeddings, of which one takes several steps."""
    engine, measurement = llm.llm_engine, Measurement(hook)
    for index, length in enumerate((20, 20, 100, 30)):
        engine.add_request(f"pool-{index}", {"prompt_token_ids": [5 + index] * length}, PoolingParams(task="embed"))
    steps = finished = 0
    while engine.has_unfinished_requests():
        with measurement.step():
            finished += len(engine.step())
        steps += 1
        if steps > 20:
            raise RuntimeError(f"embeddings are not finished after {steps} steps")
    return {**measurement.told(), "steps": steps, "generated": finished}


def main(engine: str, model: str, *cases: str) -> None:
    if "hf_overrides" in ENGINES[engine]:
        from vllm_registered_model import register

        register()
    llm = LLM(model, **{**COMMON, **ENGINES[engine]})
    started = time.time() - BEGUN
    worker = llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker
    if (".worker.gpu." in type(worker.model_runner).__module__) != V2:
        raise RuntimeError(f"asked for V2 = {V2}, and got {type(worker.model_runner)}")
    # Otherwise the load of the machine decides in which step a request with a grammar starts.
    llm.llm_engine.engine_core.engine_core.structured_output_manager._use_async_grammar_compilation = False
    if not os.environ.get("COMPUTED_TOKENS"):
        give_tokens(V2)
    adapters = os.environ.get("ADAPTERS", "").split(os.pathsep)
    told = {}
    for item in cases:
        case, _, hook = item.partition("=")
        told[case] = pool(llm, hook or None) if engine.startswith("pooling") else run(llm, case, hook or None, adapters)
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": round(started, 1)}, "cases": told}))
    sys.stdout.flush()
    os._exit(0)  # an engine's shutdown is not what is measured, and may wait for what no kernel computed


if __name__ == "__main__":
    main(*sys.argv[1:])
