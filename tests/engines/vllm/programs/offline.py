"""Generate with a tiny model under several choices in one engine. Usage: offline.py MODEL RESULT [CHOICE...]

RESULT gets one JSON object: what each choice generated, what was generated while the choice changed after every step,
and the report of every worker process. Without a choice it generates once and switches nothing.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

from tiny_engine import IN_ONE_PROCESS, TINY
from vllm import LLM, RequestOutput, SamplingParams

PROMPTS = ["hello world", "the quick brown fox", "lazy dog", "yes no", "hello fox", "the lazy world"]


def sampling() -> list[SamplingParams]:
    """One request per prompt: lists of different lengths, greedy and seeded, one without; bad words, penalties, a prompt's logprobs."""
    return [
        SamplingParams(temperature=0, max_tokens=6, logprob_token_ids=[5, 7, 11, 300]),
        SamplingParams(temperature=1.0, seed=1, max_tokens=8, logprob_token_ids=[40]),
        SamplingParams(temperature=0.7, top_k=20, seed=2, max_tokens=5, logprobs=2),
        SamplingParams(temperature=0, max_tokens=7, logprobs=3, logprob_token_ids=[9, 9, 2], prompt_logprobs=2),
        SamplingParams(temperature=0, max_tokens=7, logprobs=1, bad_words=["hello", "world fox", "e"]),
        SamplingParams(temperature=0, max_tokens=8, repetition_penalty=1.3, presence_penalty=0.4, frequency_penalty=0.5),
    ]


def told(output: RequestOutput) -> dict[str, Any]:
    """The tokens of a finished request, and for each, and for each of the prompt, the (token, logprob, rank) that came with it."""
    completion = output.outputs[0]
    logprobs, prompt = (
        [sorted((token, p.logprob, p.rank) for token, p in (step or {}).items()) for step in of or ()]
        for of in (completion.logprobs, output.prompt_logprobs)
    )
    return {"tokens": list(completion.token_ids), "logprobs": logprobs, "prompt": prompt}


def generate_while_switching(llm: LLM, choices: list[str]) -> list[dict[str, Any]]:
    """Step the engine by hand and change the choice after every step."""
    engine, choice = llm.llm_engine, cycle(choices)
    for index, (prompt, parameters) in enumerate(zip(PROMPTS, sampling(), strict=True)):
        engine.add_request(str(index), prompt, parameters)
    finished: dict[str, RequestOutput] = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.finished:
                finished[output.request_id.split("-")[0]] = output
        llm.collective_rpc("syncfree_use_everywhere", args=(next(choice),))
    return [told(finished[str(index)]) for index in range(len(PROMPTS))]


def main(model: str, result: Path, choices: list[str]) -> None:
    options = IN_ONE_PROCESS if os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING") == "0" else TINY
    llm = LLM(model, worker_extension_cls="worker_extension.Registry", **options)
    answer: dict[str, Any] = {"pid": os.getpid(), "generated": {}}
    for choice in choices or ["as started"]:
        if choices:
            llm.collective_rpc("syncfree_use_everywhere", args=(choice,))
        answer["generated"][choice] = [told(output) for output in llm.generate(PROMPTS, sampling(), use_tqdm=False)]
    if choices:
        answer["generated"]["switched"] = generate_while_switching(llm, choices)
    answer["workers"] = llm.collective_rpc("syncfree_report")
    result.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
