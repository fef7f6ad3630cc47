"""Run cases on a tiny model in a vLLM engine with worker processes of its own, and count in each of these.

Usage: vllm_ranks.py PARALLEL ENGINE MODEL CASE=[HOOK]... PARALLEL is ``TP``, ``PP``, or ``DP`` for one of the data-parallel ranks
that `vllm_data_parallel` starts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

BEGUN = time.time()
PARALLEL = {"TP": {"tensor_parallel_size": 2}, "PP": {"pipeline_parallel_size": 2}, "DP": {}}


def main(parallel: str, engine: str, model: str, *cases: str) -> None:
    from vllm import LLM
    from vllm_requests import serve, settings

    chosen = settings(engine) | PARALLEL[parallel]
    llm = LLM(model, worker_extension_cls="vllm_rank.Rank", distributed_executor_backend="mp", **chosen)
    started = time.time() - BEGUN
    about, *_ = llm.collective_rpc("dry_run_prepare")
    first = int(os.environ.get("VLLM_DP_RANK", "0"))
    told = {}
    for item in cases:
        case, _, hook = item.partition("=")
        llm.collective_rpc("dry_run_begin", args=(hook or None,))
        steps, generated = serve(llm, case, nullcontext)
        for rank, counted in enumerate(llm.collective_rpc("dry_run_end", args=(steps,)), first):
            told[f"{case}, rank {rank}"] = {**counted, "steps": steps, "generated": generated}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about, "start_seconds": round(started, 1)}, "cases": told}))
    sys.stdout.flush()
    os._exit(0)  # a rank's shutdown may wait for another one's


if __name__ == "__main__":
    main(*sys.argv[1:])
