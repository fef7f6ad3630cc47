"""Bodies of operators of ATen that the CPU has no kernel for."""

from __future__ import annotations

from typing import Any

import torch

from .._values import cpu_body


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
