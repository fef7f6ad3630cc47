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
from vllm import LLM, PoolingParams
from vllm_requests import serve, settings
from vllm_samples import give_tokens

V2 = os.environ["VLLM_USE_V2_MODEL_RUNNER"] == "1"

def run(llm: LLM, case: str, hook: str | None) -> dict[str, Any]:
    """Serve the requests of a case, and count each step. A thread of the engine may wait for a step's tokens after the step."""
    measurement = Measurement(hook)
    with measurement.between_steps():
        steps, generated = serve(llm, case, measurement.step)
    return {**measurement.told(), "steps": steps, "generated": generated}


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


def take_first_configurations() -> None:
    """Let Triton's autotuner take the first configuration: nothing has a duration here, so it would measure for ever."""
    from triton.runtime.autotuner import Autotuner

    Autotuner._bench = lambda self, *args, config, **meta: [1.0, 1.0, 1.0]


def main(engine: str, model: str, *cases: str) -> None:
    chosen = settings(engine)
    if "hf_overrides" in chosen:
        from vllm_registered_model import register

        register()
    take_first_configurations()
    llm = LLM(model, **chosen)
    started = time.time() - BEGUN
    worker = llm.llm_engine.engine_core.engine_core.model_executor.driver_worker.worker
    if (".worker.gpu." in type(worker.model_runner).__module__) != V2:
        raise RuntimeError(f"asked for V2 = {V2}, and got {type(worker.model_runner)}")
    # Otherwise the load of the machine decides in which step a request with a grammar starts.
    llm.llm_engine.engine_core.engine_core.structured_output_manager._use_async_grammar_compilation = False
    if not os.environ.get("COMPUTED_TOKENS"):
        give_tokens(V2)
    told = {}
    for item in cases:
        case, _, hook = item.partition("=")
        told[case] = pool(llm, hook or None) if engine.startswith("pooling") else run(llm, case, hook or None)
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": round(started, 1)}, "cases": told}))
    sys.stdout.flush()
    os._exit(0)  # an engine's shutdown is not what is measured, and may wait for what no kernel computed


if __name__ == "__main__":
    main(*sys.argv[1:])
