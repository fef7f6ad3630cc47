"""The catalogue of hooks: one module per contract, each with its reference, input strategy and tolerance.

A contract is a function that can be called: its signature and docstring are what every implementation keeps, and its body is
the reference.
"""

from __future__ import annotations

from importlib import import_module

from .._hook import Hook

_MODULES = (
    "scheduler_step",
    "host_timestep",
    "schedule_upload",
    "timestep_index",
    "nearest_sigma",
    "step_coefficients",
    "sequence_parallel_all_to_all",
    "sampler_logprob_gather",
    "dp_all_reduce",
    "progress_reporting",
    "rotary_embedding",
    "qk_norm",
    "vae_decode",
    "postprocess",
    "pooling_token_types",
    "fast_prefill_padding",
    "draft_reorder",
    "penalty_state_reset",
    "bad_words_mask",
    "conv_metadata",
    "chunk_indices",
    "lora_mapping",
    "lora_indices",
    "sampler_staged_writes",
    "output_token_matrix",
    "stop_token_mask",
    "prompt_logprobs",
    "pooled_rows",
    "draft_handover",
    "sampling_parameters",
    "min_tokens_penalty",
    "custom_logit_processor",
)

HOOKS: dict[str, Hook] = {name: import_module(f"{__name__}.{name}").HOOK for name in _MODULES}
"""Every hook by name."""
