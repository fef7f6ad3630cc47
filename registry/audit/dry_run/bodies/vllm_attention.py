"""Bodies of vLLM's FlashAttention 2 and 3: each sequence by itself, in float32; quantized caches are not covered."""

from __future__ import annotations

from typing import Any

import torch

from .._cpu_body import cpu_body


@cpu_body("_vllm_fa3_C::fwd")
def _flash_attention_3(q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> Any:
    of = dict(zip(_FA3, args, strict=False)) | kwargs
    lengths, starts = of["seqused_k"], of["cu_seqlens_k"]
    window = of["window_size_left"], of["window_size_right"]
    found = _attention(
        q, k, v, of["cu_seqlens_q"], starts, lengths, of["page_table"], of["softmax_scale"], of["is_causal"], window, of["softcap"]
    )
    return [_into(of["out"], found), None, torch.empty(0), torch.empty(0)]  # lists of operators cannot have undefined tensors


@cpu_body("_vllm_fa2_C::varlen_fwd")
def _flash_attention_2(q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> Any:
    of = dict(zip(_FA2, args, strict=False)) | kwargs
    lengths = of["seqused_k"]
    starts = None if lengths is not None else of["cu_seqlens_k"]
    window = of["window_size_left"], of["window_size_right"]
    found = _attention(
        q, k, v, of["cu_seqlens_q"], starts, lengths, of["block_table"], of["softmax_scale"], of["is_causal"], window, of["softcap"]
    )
    return [_into(of["out"], found), None]


_FA3 = (
    *("k_new", "v_new", "q_v", "out", "cu_seqlens_q", "cu_seqlens_k", "cu_seqlens_k_new", "seqused_q", "seqused_k"),
    *("max_seqlen_q", "max_seqlen_k", "page_table", "kv_batch_idx", "leftpad_k", "rotary_cos", "rotary_sin", "seqlens_rotary"),
    *("q_descale", "k_descale", "v_descale", "softmax_scale", "is_causal", "window_size_left", "window_size_right", "softcap"),
)
_FA2 = (
    *("out", "cu_seqlens_q", "cu_seqlens_k", "seqused_k", "leftpad_k", "block_table", "alibi_slopes", "max_seqlen_q"),
    *("max_seqlen_k", "p_dropout", "softmax_scale", "zero_tensors", "is_causal", "window_size_left", "window_size_right", "softcap"),
)
"""The operands after q, k and v, in the order of the operators' schemas."""


def _into(out: Any, found: Any) -> Any:
    return found if out is None else out.copy_(found)


def _attention(
    q: Any,
    k: Any,
    v: Any,
    query_starts: Any,
    key_starts: Any,
    lengths: Any,
    table: Any,
    scale: float,
    causal: bool,
    window: tuple[int, int],
    softcap: float,
) -> Any:
    """Attend in each sequence of a ragged batch, over keys and values in pages or in a row.

    Args:
        q: ``[tokens, heads, dim]``.
        k, v: ``[pages, page, kv_heads, dim]`` with a `table`, ``[tokens, kv_heads, dim]`` without.
        query_starts, key_starts: ``[sequences + 1]``; the keys' may be None.
        lengths: ``[sequences]``, of the keys; or None.
        table: ``[sequences, pages]``, or None.
        window: how many keys to the left and to the right a query sees; negative for all.
    """
    if k.dtype != q.dtype:
        raise NotImplementedError(f"a cache of {k.dtype}")
    found = torch.zeros((*q.shape[:-1], v.shape[-1]), dtype=q.dtype)
    for index in range(len(query_starts) - 1):
        begin, end = int(query_starts[index]), int(query_starts[index + 1])
        if table is None:
            first = int(key_starts[index])
            length = int(key_starts[index + 1]) - first if lengths is None else int(lengths[index])
            keys, values = k[first : first + length], v[first : first + length]
        else:
            length = int(lengths[index])
            pages = table[index, : -(-length // k.shape[1])].long()
            keys, values = (cache[pages].flatten(0, 1)[:length] for cache in (k, v))
        if end > begin and length > 0:
            found[begin:end] = _attend(q[begin:end], keys, values, scale, causal, window, softcap)
    return found


def _attend(q: Any, k: Any, v: Any, scale: float, causal: bool, window: tuple[int, int], softcap: float) -> Any:
    groups = q.shape[1] // k.shape[1]
    k, v = (x.float().repeat_interleave(groups, 1) for x in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q.float(), k) * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    distance = torch.arange(len(q)).unsqueeze(1) + (len(k) - len(q)) - torch.arange(len(k))
    hidden = torch.zeros_like(distance, dtype=torch.bool)
    if causal:
        hidden |= distance < 0
    if window[0] >= 0:
        hidden |= distance > window[0]
    if window[1] >= 0:
        hidden |= -distance > window[1]
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights.nan_to_num(), v).to(q.dtype)
