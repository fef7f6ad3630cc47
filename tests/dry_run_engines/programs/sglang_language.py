"""Serve requests with SGLang's engine for language models. Usage: sglang_language.py MODEL CASE=HOOK...

`sglang_language_probe` must be on PYTHONPATH: it counts in the scheduler's process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REQUESTS = 8
"""The least number of requests with named tokens that the hook covers where nothing waits."""
STEPS = 8
CASES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "named": {"token_ids_logprob": [[1, 3], [2], [0, 2, 4], [1], [5, 6], [7], [8, 9, 10], [11]]},
    "scoring": {"token_ids_logprob": [[1, 3], [2], [0, 2, 4], [1], [5, 6], [7], [8, 9, 10], [11]], "tokens": 0},
    "biased": {"sampling": {"logit_bias": {"3": 0.5, "7": -100.0}}},
}
"""By name: arguments of ``Engine.generate``, further sampling parameters, and how many tokens each request gets."""


def main(model: str, *cases: str) -> None:
    begun = time.time()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PROBE_FOLDER": folder, "PROBE_CASES": ",".join(cases), "PROBE_REQUESTS": str(REQUESTS)}
        import sglang

        engine = sglang.Engine(
            model_path=model,
            dtype="float32",
            attention_backend="triton",
            sampling_backend="pytorch",
            disable_cuda_graph=True,
            disable_radix_cache=True,  # no case finds the last one's prompts
            max_running_requests=2 * REQUESTS,
            max_total_tokens=2048,
            skip_tokenizer_init=True,
        )
        started = round(time.time() - begun, 1)
        names = [case.partition("=")[0] for case in cases]
        requested(engine, "before")
        generated = {name: requested(engine, name, **CASES[name]) for name in names}
        requested(engine, "after", tokens=1)  # the last case is written when its answers are already here
        engine.shutdown()
        told = {name: json.loads(Path(folder, f"{name}.json").read_text()) for name in names}
    about = told[names[0]]["about"] | {"start_seconds": started}
    found = {name: {**told[name], "generated": generated[name]} for name in names}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": about, "cases": found}))


def requested(
    engine: Any, name: str, *, tokens: int = STEPS, sampling: Mapping[str, Any] | None = None, **asked: Any
) -> list[Any]:
    """Return the tokens of each request, and the logprobs that it named; the requests come in one batch."""
    answers = engine.generate(
        input_ids=[[5 + index, 6, 7, 8] for index in range(REQUESTS)],
        sampling_params={"temperature": 0, "max_new_tokens": tokens, "ignore_eos": True, **(sampling or {})},
        rid=[f"{name}/{index}" for index in range(REQUESTS)],
        return_logprob=bool(asked),
        **asked,
    )
    keys = ("output_token_ids_logprobs", "input_token_ids_logprobs")
    return [[answer["output_ids"], *(answer["meta_info"].get(key) for key in keys)] for answer in answers]


if __name__ == "__main__":
    main(*sys.argv[1:])
