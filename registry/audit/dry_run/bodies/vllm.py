"""Bodies of vLLM's own operators, in its kernels' arithmetic: float32 inside, rounded where the kernel rounds.

Quantized caches and the backward pass are not covered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from .._cpu_body import cpu_body


@cpu_body("_C::get_cuda_view_from_cpu_tensor")
@cpu_body("_C::weak_ref_tensor")
@cpu_body("_vllm_fa3_C::get_scheduler_metadata")
def _nothing(*_: Any, **__: Any) -> None:
    """Compute nothing: views, and what only a kernel reads."""


@cpu_body("_C::silu_and_mul")
def _silu_and_mul(result: Any, x: Any) -> None:
    gate, up = x.chunk(2, -1)
    result.copy_(torch.nn.functional.silu(gate.float()).to(x.dtype) * up)


@cpu_body("_C::rms_norm")
def _rms_norm(result: Any, x: Any, weight: Any, epsilon: float) -> None:
    result.copy_(_normalized(x, weight, epsilon))


@cpu_body("_C::fused_add_rms_norm")
def _fused_add_rms_norm(x: Any, residual: Any, weight: Any, epsilon: float) -> None:
    residual.add_(x)
    x.copy_(_normalized(residual, weight, epsilon))


def _normalized(x: Any, weight: Any, epsilon: float) -> Any:
    wide = x.float()
    normalized = (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype)
    return normalized if weight is None else normalized * weight


@cpu_body("_C::rotary_embedding")
def _rotary_embedding(
    positions: Any,
    query: Any,
    key: Any,
    head_size: int,
    cos_sin_cache: Any,
    is_neox: bool,
    rope_dim_offset: int = 0,
    inverse: bool = False,
) -> None:
    cos, sin = cos_sin_cache[positions.flatten()].float().unsqueeze(1).chunk(2, -1)
    if inverse:
        sin = -sin
    for x in (query, key):
        if x is None:
            continue
        heads = x.view(positions.numel(), -1, head_size)
        turned = heads[..., rope_dim_offset : rope_dim_offset + 2 * cos.shape[-1]]
        first, second = turned.float().chunk(2, -1) if is_neox else (turned.float()[..., 0::2], turned.float()[..., 1::2])
        pair = (first * cos - second * sin, second * cos + first * sin)
        turned.copy_(torch.cat(pair, -1) if is_neox else torch.stack(pair, -1).flatten(-2))


@cpu_body("_C::apply_repetition_penalties_")
def _apply_repetition_penalties(logits: Any, prompt_mask: Any, output_mask: Any, repetition_penalties: Any) -> None:
    penalties = torch.where(prompt_mask | output_mask, repetition_penalties.unsqueeze(1), 1.0)
    logits.copy_(torch.where(logits > 0, logits / penalties, logits * penalties))


@cpu_body("_C_cache_ops::reshape_and_cache_flash")
def _reshape_and_cache_flash(
    key: Any, value: Any, key_cache: Any, value_cache: Any, slot_mapping: Any, kv_cache_dtype: str, *_: Any
) -> None:
    """Write keys and values to their slots, ``block * block_size + offset``; a negative one is padding."""
    if key_cache.dtype != key.dtype:
        raise NotImplementedError(f"a cache of {kv_cache_dtype}")
    rows = (slot_mapping >= 0).nonzero().flatten()
    slots, size = slot_mapping[rows], key_cache.shape[1]
    for cache, new in ((key_cache, key), (value_cache, value)):
        cache[slots // size, slots % size] = new[rows]


@cpu_body("vllm::lora_shrink")
def _lora_shrink(inputs: Any, lora_a_weights: Any, output_tensor: Any, token_lora_mapping: Any, *rest: Any) -> None:
    """Multiply each token by its adapter's A: ``[slices, tokens, rank]``. In Triton's interpreter it takes minutes."""
    *_, scaling = rest
    output_tensor.zero_()
    for into, weights in zip(output_tensor, lora_a_weights, strict=True):
        for rows, matrix in _by_adapter(token_lora_mapping, weights):
            into[rows] = (inputs[rows].float() @ matrix.T * scaling).to(into.dtype)


@cpu_body("vllm::lora_expand")
def _lora_expand(inputs: Any, lora_b_weights: Any, output_tensor: Any, token_lora_mapping: Any, *rest: Any) -> None:
    """Multiply each token by its adapter's B, the slices side by side: ``[tokens, hidden]``."""
    offset = rest[6] if len(rest) > 6 else 0
    add_inputs = len(rest) > 7 and rest[7]
    for of_slice, weights in zip(inputs, lora_b_weights, strict=True):
        into = output_tensor[:, offset : offset + weights.shape[-2]]
        offset += weights.shape[-2]
        for rows, matrix in _by_adapter(token_lora_mapping, weights):
            found = of_slice[rows].float() @ matrix.T
            into[rows] = (into[rows].float() + found if add_inputs else found).to(into.dtype)


def _by_adapter(mapping: Any, weights: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the tokens of each adapter, and its matrix in float32; tokens without one have a negative index."""
    for adapter in mapping.unique().tolist():
        if adapter >= 0:
            matrix = weights[adapter].float()
            yield (mapping == adapter).nonzero().flatten(), matrix.reshape(matrix.shape[-2:])
