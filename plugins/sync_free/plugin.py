"""The plugin ``sync_free``: every hook, bitwise equal to upstream and without a host sync."""

from __future__ import annotations

from syncfree import implementations

PACKAGE = "syncfree.plugins.sync_free"

PLUGIN = implementations(
    PACKAGE,
    exact=True,
    host_syncs=0,
    needs=("torch",),
    hooks=(
        "scheduler_step",
        "host_timestep",
        "schedule_upload",
        "timestep_index",
        "nearest_sigma",
        "sequence_parallel_all_to_all",
        "sampler_logprob_gather",
        "dp_all_reduce",
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
        "output_token_matrix",
        "stop_token_mask",
        "prompt_logprobs",
        "pooled_rows",
        "draft_handover",
        "sampling_parameters",
        "min_tokens_penalty",
        "custom_logit_processor",
    ),
) | implementations(PACKAGE, exact=True, host_syncs=0, hooks=("progress_reporting", "sampler_staged_writes"))
