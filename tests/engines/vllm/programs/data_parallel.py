"""One of several data-parallel ranks of a tiny mixture of experts. Usage: data_parallel.py MODEL RESULT RANK SIZE PORT

Generates, switches `dp_all_reduce` on all ranks together, and generates again, for each choice.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tiny_engine import TINY

HOOK = "dp_all_reduce"


def told_by_all(llm: Any, size: int) -> list[Any]:
    """The plans of all ranks, asked for as `syncfree doctor --server` does; they are at different steps."""
    deadline = time.monotonic() + 60
    while True:
        (told,) = llm.collective_rpc("syncfree_plan", args=("the test's",))
        if len(told) == size or time.monotonic() > deadline:
            return list(told)
        time.sleep(0.05)


def main(model: str, result: Path, rank: int, size: int, port: str) -> None:
    os.environ.update(
        VLLM_DP_RANK=str(rank),
        VLLM_DP_RANK_LOCAL=str(rank),
        VLLM_DP_SIZE=str(size),
        VLLM_DP_MASTER_IP="127.0.0.1",
        VLLM_DP_MASTER_PORT=port,
    )
    from vllm import LLM, SamplingParams

    llm = LLM(model, worker_extension_cls="worker_extension.Registry", **TINY)
    sampling = SamplingParams(temperature=0, max_tokens=6, logprobs=2)
    answer: dict[str, Any] = {"alone": llm.collective_rpc("syncfree_use", args=(HOOK, "upstream")), "tokens": {}}
    for choice in ("shm_mailbox", "sync_free", "upstream"):
        llm.collective_rpc("syncfree_use", args=(HOOK, choice, True))
        outputs = llm.generate(["hello world"] * (1 + rank), sampling, use_tqdm=False)
        answer["tokens"][choice] = [list(output.outputs[0].token_ids) for output in outputs]
    answer["told"] = told_by_all(llm, size)
    answer["workers"] = llm.collective_rpc("syncfree_report")
    result.write_text(json.dumps(answer))
    os._exit(0)  # offline data-parallel ranks do not end by themselves


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
