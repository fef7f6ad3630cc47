

# Test only, appended to vllm/_custom_ops.py of an older release: its calls, answered by the C extension of 0.28.0.
def cpu_attn_get_scheduler_metadata(
    num_reqs, num_heads, num_kv_heads, head_dim, seq_lens, dtype, query_start_loc, causal, sliding_window_size, isa,
    enable_kv_split,
):
    return torch.ops._C.get_scheduler_metadata(
        num_reqs, num_heads, num_kv_heads, head_dim, seq_lens, dtype, query_start_loc, causal, sliding_window_size, isa,
        enable_kv_split, None, "auto",
    )


def cpu_attn_reshape_and_cache(
    key, value, key_cache, value_cache, slot_mapping, isa, k_scale=1.0, v_scale=1.0, kv_cache_dtype="auto"
):
    torch.ops._C.cpu_attn_reshape_and_cache(
        key, value, key_cache, value_cache, slot_mapping, isa, k_scale, v_scale, kv_cache_dtype
    )


def cpu_attention_with_kv_cache(
    query, key_cache, value_cache, output, query_start_loc, seq_lens, scale, causal, alibi_slopes, sliding_window,
    block_table, softcap, scheduler_metadata, s_aux, k_scale=1.0, v_scale=1.0, kv_cache_dtype="auto",
):
    if isinstance(sliding_window, tuple):
        sliding_window = -1 if sliding_window[0] < 0 else sliding_window[0] + 1
    torch.ops._C.cpu_attention_with_kv_cache(
        query, key_cache, value_cache, output, query_start_loc, seq_lens, scale, causal, alibi_slopes, sliding_window,
        block_table, softcap, scheduler_metadata, s_aux, None, k_scale, v_scale, kv_cache_dtype,
    )
