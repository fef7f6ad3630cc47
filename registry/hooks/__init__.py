"""The catalogue of hooks: one module per contract, each with its reference, input strategy and tolerance."""

from __future__ import annotations

from .._hook import Hook
from . import (
    bad_words_mask,
    conv_metadata,
    dp_all_reduce,
    draft_handover,
    draft_reorder,
    fast_prefill_padding,
    host_timestep,
    lora_indices,
    lora_mapping,
    output_token_matrix,
    penalty_state_reset,
    pooled_rows,
    pooling_token_types,
    postprocess,
    progress_reporting,
    qk_norm,
    rotary_embedding,
    sampler_logprob_gather,
    sampler_staged_writes,
    schedule_upload,
    scheduler_step,
    sequence_parallel_all_to_all,
    stop_token_mask,
    vae_decode,
)

HOOKS: dict[str, Hook] = {
    module.HOOK.name: module.HOOK
    for module in (
        scheduler_step,
        host_timestep,
        schedule_upload,
        sequence_parallel_all_to_all,
        sampler_logprob_gather,
        dp_all_reduce,
        progress_reporting,
        rotary_embedding,
        qk_norm,
        vae_decode,
        postprocess,
        pooling_token_types,
        fast_prefill_padding,
        draft_reorder,
        penalty_state_reset,
        bad_words_mask,
        conv_metadata,
        lora_mapping,
        lora_indices,
        sampler_staged_writes,
        output_token_matrix,
        stop_token_mask,
        pooled_rows,
        draft_handover,
    )
}
"""Every hook by name."""
