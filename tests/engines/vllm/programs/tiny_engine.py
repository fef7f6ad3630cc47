"""An engine for a tiny model, as small as the machine of a test."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": 256,
    "kv_cache_memory_bytes": 64 << 20,
    "max_num_seqs": 8,
    "seed": 0,
}
"""Arguments of `vllm.LLM`."""
IN_ONE_PROCESS: dict[str, Any] = {**TINY, "distributed_executor_backend": "uni"}
"""With ``VLLM_ENABLE_V1_MULTIPROCESSING=0``; before 0.28 the CPU platform makes the worker a process of its own all the same."""
