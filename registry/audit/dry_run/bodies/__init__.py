"""Bodies of operators that the CPU has no kernel for, so that dry runs with values have them; they are registered by name."""

from __future__ import annotations

from . import aten, cudnn, vllm, vllm_attention, vllm_mamba

__all__ = ["aten", "cudnn", "vllm", "vllm_attention", "vllm_mamba"]
