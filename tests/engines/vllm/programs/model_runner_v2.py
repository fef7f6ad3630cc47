"""Generate with a tiny model on Model Runner V2, requests joining while others run. Usage: model_runner_v2.py MODEL RESULT

For the Triton interpreter and one process. Kernels of top-k and top-p do not run in the interpreter.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tiny_engine import IN_ONE_PROCESS
from vllm import LLM, RequestOutput, SamplingParams

import syncfree

REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("hello world", {"temperature": 0, "logprobs": 2}),
    ("the quick brown fox", {"temperature": 0, "repetition_penalty": 1.3, "frequency_penalty": 0.5}),
    ("lazy dog", {"temperature": 0, "bad_words": ["hello", "world fox"], "logit_bias": {7: 4.0}}),
    ("yes no", {"temperature": 0.8, "seed": 3, "min_p": 0.05, "logprobs": 1}),
]


def main(model: str, result: Path) -> None:
    llm = LLM(model, **{**IN_ONE_PROCESS, "max_model_len": 128, "max_num_seqs": 4})
    engine, waiting = llm.llm_engine, list(enumerate(REQUESTS))
    finished: dict[str, RequestOutput] = {}
    steps = 0
    while waiting or engine.has_unfinished_requests():
        if waiting and steps % 2 == 0:
            index, (prompt, sampling) = waiting.pop(0)
            engine.add_request(str(index), prompt, SamplingParams(max_tokens=6, **sampling))
        for output in engine.step():
            if output.finished:
                finished[output.request_id.split("-")[0]] = output
        steps += 1
    told = []
    for index in range(len(REQUESTS)):
        completion = finished[str(index)].outputs[0]
        logprobs = [sorted((token, p.logprob) for token, p in step.items()) for step in completion.logprobs or ()]
        told.append({"tokens": list(completion.token_ids), "logprobs": logprobs})
    result.write_text(json.dumps({"generated": told, "plan": syncfree.plan().as_dict()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
