"""What needs an engine of its own, one after the other in one process. Usage: features.py LLAMA CROSS_ENCODER RESULT

A Llama with n-gram drafts and fast prefill, then a cross-encoder. Each works under `sync_free` and under `upstream` in all
bound hooks. RESULT gets what came out by choice, and the plan.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vllm import LLM, SamplingParams

import syncfree

REPEATED = "the quick brown fox jumps over the lazy dog the quick brown fox jumps over the lazy"
PROMPTS = [REPEATED, "hello world hello world hello", "yes no yes no yes", "lazy dog"]
LIMITS: dict[str, Any] = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": 256,
    "max_num_seqs": 8,
    "seed": 0,
    "distributed_executor_backend": "uni",
}


def greedy() -> list[SamplingParams]:
    """One request per prompt; drafts meet bad words, penalties and logprobs."""
    return [
        SamplingParams(temperature=0, max_tokens=12),
        SamplingParams(temperature=0, max_tokens=10, bad_words=["hello", "world hello", "e"]),
        SamplingParams(temperature=0, max_tokens=9, logprobs=2),
        SamplingParams(temperature=0, max_tokens=8, repetition_penalty=1.2, frequency_penalty=0.3),
    ]


def seeded() -> list[SamplingParams]:
    return [SamplingParams(temperature=0.8, seed=index, max_tokens=6) for index, _ in enumerate(PROMPTS)]


def generate(llm: LLM) -> list[Any]:
    """Tokens and logprobs of the greedy and of the seeded requests."""
    told = []
    for sampling in (greedy(), seeded()):
        for output in llm.generate(PROMPTS, sampling, use_tqdm=False):
            completion = output.outputs[0]
            logprobs = [sorted((token, p.logprob) for token, p in step.items()) for step in completion.logprobs or ()]
            told.append([list(completion.token_ids), logprobs])
    return told


def score(llm: LLM) -> list[float]:
    texts = ["the lazy dog", "hello world", "the quick brown fox jumps"]
    return [output.outputs.score for output in llm.score("the quick brown fox", texts, use_tqdm=False)]


def under_each_choice(work: Any, llm: LLM) -> dict[str, Any]:
    found = {}
    for choice in ("sync_free", "upstream"):
        hooks = {entry.hook for entry in syncfree.plan() if entry.state == "bound" and not entry.lockstep}
        with syncfree.use(**dict.fromkeys(hooks, choice)):
            found[choice] = work(llm)
    return found


def main(llama: str, cross_encoder: str, result: Path) -> None:
    drafts = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
    cache = {"kv_cache_memory_bytes": 64 << 20}
    llm = LLM(llama, speculative_config=drafts, kv_sharing_fast_prefill=True, **cache, **LIMITS)
    answer: dict[str, Any] = {"generated": under_each_choice(generate, llm)}
    scorer = LLM(cross_encoder, runner="pooling", **LIMITS)
    answer["scores"] = under_each_choice(score, scorer)
    answer["plan"] = syncfree.plan().as_dict()
    result.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
