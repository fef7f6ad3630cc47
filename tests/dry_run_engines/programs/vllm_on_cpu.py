"""Generate greedy tokens with vLLM's build for the CPU, in float32. Usage: vllm_on_cpu.py MODEL RESULT"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def main(model: str, result: Path) -> None:
    llm = LLM(
        model,
        dtype="float32",
        enforce_eager=True,
        max_model_len=256,
        kv_cache_memory_bytes=64 << 20,
        max_num_seqs=8,
        seed=0,
        distributed_executor_backend="uni",
    )
    prompts = [{"prompt_token_ids": [5 + index, 6, 7, 8]} for index in range(4)]
    sampling = SamplingParams(max_tokens=8, temperature=0, ignore_eos=True, detokenize=False)
    outputs = llm.generate(prompts, sampling, use_tqdm=False)
    result.write_text(json.dumps([list(output.outputs[0].token_ids) for output in outputs]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
