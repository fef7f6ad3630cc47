"""Bodies of operators of ATen that the CPU has no kernel for."""

from __future__ import annotations

from typing import Any

import torch

from .._cpu_body import cpu_body


def _attention(query: Any, key: Any, value: Any, mask: Any = None, is_causal: bool = False, scale: float | None = None) -> Any:
    repeated = query.shape[1] // key.shape[1] if query.dim() == 4 and key.shape[1] else 1
    if repeated > 1:
        key, value = key.repeat_interleave(repeated, 1), value.repeat_interleave(repeated, 1)
    return torch.ops.aten._scaled_dot_product_attention_math(query, key, value, mask, 0.0, is_causal, scale=scale)[0]


@cpu_body("aten::_scaled_dot_product_flash_attention")
def _flash(query: Any, key: Any, value: Any, dropout_p: float = 0.0, is_causal: bool = False, *_: Any, scale: Any = None) -> Any:
    """Compute the output; what only the backward pass reads stays undefined."""
    return (_attention(query, key, value, None, is_causal, scale), *(None,) * 8)


@cpu_body("aten::_scaled_dot_product_efficient_attention")
def _efficient(query: Any, key: Any, value: Any, bias: Any, *rest: Any, scale: Any = None, **_: Any) -> Any:
    """Compute the output; what only the backward pass reads stays undefined."""
    is_causal = bool(rest[2]) if len(rest) > 2 else False
    return (_attention(query, key, value, bias, is_causal, scale), *(None,) * 3)


@cpu_body("aten::_scaled_dot_product_cudnn_attention")
def _cudnn(query: Any, key: Any, value: Any, bias: Any, *rest: Any, scale: Any = None, **_: Any) -> Any:
    """Compute the output; what only the backward pass reads stays undefined."""
    is_causal = bool(rest[2]) if len(rest) > 2 else False
    return (_attention(query, key, value, bias, is_causal, scale), *(None,) * 8)


def _gradients(grad: Any, query: Any, key: Any, value: Any, bias: Any, is_causal: bool, scale: float | None) -> tuple[Any, ...]:
    """Return the gradients of the query, key, value and bias, the last one where there is a bias; in float32 inside."""
    groups = query.shape[1] // key.shape[1]
    grad, q, k, v = (each.float() for each in (grad, query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)))
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.mT * factor
    if bias is not None:
        scores = scores + bias
    if is_causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).tril().logical_not(), float("-inf"))
    weights = scores.softmax(-1)
    of_weights = grad @ v.mT
    of_scores = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True))
    of_query = of_scores @ k * factor
    of_key, of_value = (
        each.unflatten(1, (-1, groups)).sum(2) for each in (of_scores.mT @ q * factor, weights.mT @ grad)
    )
    of_bias = None if bias is None else of_scores.sum_to_size(bias.shape).to(bias.dtype)
    return of_query.to(query.dtype), of_key.to(key.dtype), of_value.to(value.dtype), of_bias


@cpu_body("aten::_scaled_dot_product_flash_attention_backward")
def _flash_backward(grad: Any, query: Any, key: Any, value: Any, *rest: Any, scale: Any = None) -> Any:
    return _gradients(grad, query, key, value, None, bool(rest[7]), scale)[:3]


@cpu_body("aten::_scaled_dot_product_efficient_attention_backward")
def _efficient_backward(grad: Any, query: Any, key: Any, value: Any, bias: Any, *rest: Any, scale: Any = None) -> Any:
    is_causal = bool(rest[6]) if len(rest) > 6 else False
    return _gradients(grad, query, key, value, bias, is_causal, scale)


@cpu_body("aten::_scaled_dot_product_cudnn_attention_backward")
def _cudnn_backward(grad: Any, query: Any, key: Any, value: Any, *rest: Any, scale: Any = None) -> Any:
    return _gradients(grad, query, key, value, rest[4], bool(rest[10]), scale)[:3]
