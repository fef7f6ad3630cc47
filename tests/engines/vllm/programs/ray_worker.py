"""A worker that Ray starts, and what it knows of the driver's choices. Usage: ray_worker.py MODEL RESULT

Ray is started before the choice is made, so that the choice reaches the worker through vLLM or not at all.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ray
from tiny_engine import TINY


def main(model: str, result: Path) -> None:
    ray.init(num_cpus=2, resources={}, include_dashboard=False, logging_level="WARNING")
    os.environ["SYNCFREE_BAD_WORDS_MASK"] = "sync_free"
    from vllm import LLM, SamplingParams

    llm = LLM(model, distributed_executor_backend="ray", **TINY)
    sampling = SamplingParams(temperature=0, max_tokens=5, bad_words=["hello"])
    (output,) = llm.generate(["hello world"], sampling, use_tqdm=False)
    workers = [told for of_worker in llm.collective_rpc("syncfree_plan") for told in of_worker]
    answer = {"pid": os.getpid(), "tokens": list(output.outputs[0].token_ids), "workers": workers}
    result.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
