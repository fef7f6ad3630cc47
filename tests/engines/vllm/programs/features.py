"""Features that need an engine of their own. Usage: features.py drafts|fast_prefill|score MODEL RESULT

`drafts`: a Llama with n-gram drafts and fast prefill; `fast_prefill`: without drafts; `score`: a cross-encoder. It works
under `sync_free` and under `upstream` in all bound hooks of the worker. RESULT gets what came out by choice, and the
reports of the workers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_engine import IN_ONE_PROCESS
from vllm import LLM, SamplingParams

REPEATED = "the quick brown fox jumps over the lazy dog the quick brown fox jumps over the lazy"
PROMPTS = [REPEATED, "hello world hello world hello", "yes no yes no yes", "lazy dog"]


def greedy() -> list[SamplingParams]:
    """One request per prompt: drafts meet bad words, penalties and logprobs."""
    return [
        SamplingParams(temperature=0, max_tokens=12),
        SamplingParams(temperature=0, max_tokens=10, bad_words=["hello", "world hello", "e"]),
        SamplingParams(temperature=0, max_tokens=9, logprobs=2),
        SamplingParams(temperature=0, max_tokens=8, repetition_penalty=1.2, frequency_penalty=0.3),
    ]


def seeded() -> list[SamplingParams]:
    return [SamplingParams(temperature=0.8, seed=index, max_tokens=6) for index, _ in enumerate(PROMPTS)]


def tell(llm: LLM, *batches: list[SamplingParams]) -> list[Any]:
    """Tokens and logprobs of the prompts with each batch of parameters."""
    told = []
    for sampling in batches:
        for output in llm.generate(PROMPTS, sampling, use_tqdm=False):
            completion = output.outputs[0]
            logprobs = [sorted((token, p.logprob) for token, p in step.items()) for step in completion.logprobs or ()]
            told.append([list(completion.token_ids), logprobs])
    return told


def draft(llm: LLM) -> list[Any]:
    """Greedy alone: on the CPU, 0.32.0 with nothing of ours gives a seeded request other tokens from run to run once it has
    drafts. The drafted positions' logits in the rejection sampler differ then; greedy requests' do not.
    """
    return tell(llm, greedy())


def prefill(llm: LLM) -> list[Any]:
    return tell(llm, greedy(), seeded())


def score(llm: LLM) -> list[float]:
    texts = ["the lazy dog", "hello world", "the quick brown fox jumps"]
    return [output.outputs.score for output in llm.score("the quick brown fox", texts, use_tqdm=False)]


NGRAMS = {"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
WORK: dict[str, tuple[Callable[[LLM], list[Any]], dict[str, Any]]] = {
    "drafts": (draft, {"speculative_config": NGRAMS, "kv_sharing_fast_prefill": True}),
    "fast_prefill": (prefill, {"kv_sharing_fast_prefill": True}),
    "score": (score, {"runner": "pooling"}),
}


def main(kind: str, model: str, result: Path) -> None:
    work, options = WORK[kind]
    llm = LLM(model, worker_extension_cls="worker_extension.Registry", **IN_ONE_PROCESS, **options)
    answer: dict[str, Any] = {}
    for choice in ("sync_free", "upstream"):
        llm.collective_rpc("syncfree_use_everywhere", args=(choice,))
        answer[choice] = work(llm)
    answer["workers"] = llm.collective_rpc("syncfree_report")
    result.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
