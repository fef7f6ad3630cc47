"""Generate with SGLang's language engine on the CPU: with our hooks, then with upstream's code, in one engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REQUESTS = 9
"""As many as name tokens, one without: from eight on, the hook answers in each decode step."""


def main(model: str, result: Path) -> None:
    """Write what was generated, and what the processes said of their hooks after each time."""
    from sglang.srt.entrypoints.engine import Engine

    engine = Engine(
        model_path=model,
        device="cpu",
        dtype="float32",
        attention_backend="torch_native",
        sampling_backend="pytorch",
        grammar_backend="none",
        disable_cuda_graph=True,
        disable_overlap_schedule=True,
        disable_radix_cache=True,
        skip_server_warmup=True,
        skip_tokenizer_init=True,
        mem_fraction_static=0.1,
        max_total_tokens=2048,
        max_running_requests=16,
    )
    try:
        made = [generated(engine)]
        said = [syncfree("ps", "--json")]
        syncfree("toggle", "sampler_logprob_gather=upstream", "--timeout", "60")
        made.append(generated(engine))
        said.append(syncfree("ps", "--json"))
        result.write_text(json.dumps({"made": made, "said": [json.loads(text) for text in said]}))
    finally:
        engine.shutdown()


def generated(engine: Any) -> Any:
    """Return tokens, their logprobs, and the logprobs of the tokens that requests name."""
    answers = engine.generate(
        input_ids=[[1 + row, 2, 3 + row % 3] for row in range(REQUESTS)],
        sampling_params=[{"temperature": 0.0, "max_new_tokens": 5, "ignore_eos": True}] * REQUESTS,
        return_logprob=[True] * REQUESTS,
        top_logprobs_num=[2] * REQUESTS,
        token_ids_logprob=[*([3 + row, 7][: 1 + row % 2] for row in range(REQUESTS - 1)), None],
    )
    told = ("output_token_logprobs", "output_top_logprobs", "output_token_ids_logprobs")
    return [[answer["output_ids"], *(answer["meta_info"].get(name) for name in told)] for answer in answers]


def syncfree(*arguments: str) -> str:
    """Run the command of this environment."""
    command = [str(Path(sys.executable).with_name("syncfree")), *arguments]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=plain).stdout


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
