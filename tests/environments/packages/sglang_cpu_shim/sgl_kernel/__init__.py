"""Test only: the operators of sgl_kernel's CPU build (which is not published) that SGLang diffusion 0.5.21 and later call.

Plain PyTorch in float32. The numbers are this module's own: compare runs that both use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__version__ = "0.4.10+cpu.shim"  # SGLang compares it with the version that it needs


def _norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, kind: str, eps: float) -> Tensor:
    x = x.float()
    if kind == "layer":
        y = torch.nn.functional.layer_norm(x, (x.shape[-1],), eps=eps)
    else:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
    if weight is not None:
        y = y * weight.float()
    if bias is not None:
        y = y + bias.float()
    return y


def fused_norm_scale_shift_cpu(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, scale: Tensor, shift: Tensor, norm_type: str, eps: float
) -> Tensor:
    """`norm(x) * (1 + scale) + shift` in the dtype of `x`."""
    return (_norm(x, weight, bias, norm_type, eps) * (1 + scale.float()) + shift.float()).to(x.dtype)


def fused_scale_residual_norm_scale_shift_cpu(
    residual: Tensor,
    x: Tensor,
    gate: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    scale: Tensor,
    shift: Tensor,
    norm_type: str,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """`r = residual + x * gate`; returns `norm(r) * (1 + scale) + shift` and `r`, both in the dtype of `x`."""
    summed = residual.float() + (x.float() if gate is None else x.float() * gate.float())
    y = _norm(summed, weight, bias, norm_type, eps) * (1 + scale.float()) + shift.float()
    return y.to(x.dtype), summed.to(x.dtype)


def fused_scale_shift_cpu(x: Tensor, scale: Tensor, shift: Tensor, scale_constant: float) -> Tensor:
    """`x * (scale_constant + scale) + shift` in the dtype of `x`."""
    return (x.float() * (scale_constant + scale.float()) + shift.float()).to(x.dtype)


_OPERATORS: dict[Callable[..., Any], str] = {
    fused_norm_scale_shift_cpu: "(Tensor x, Tensor? weight, Tensor? bias, Tensor scale, Tensor shift, "
    "str norm_type, float eps) -> Tensor",
    fused_scale_residual_norm_scale_shift_cpu: "(Tensor residual, Tensor x, Tensor? gate, Tensor? weight, Tensor? bias, "
    "Tensor scale, Tensor shift, str norm_type, float eps) -> (Tensor, Tensor)",
    fused_scale_shift_cpu: "(Tensor x, Tensor scale, Tensor shift, float scale_constant) -> Tensor",
}
_library = torch.library.Library("sgl_kernel", "FRAGMENT")
for _function, _schema in _OPERATORS.items():
    if not hasattr(torch.ops.sgl_kernel, _function.__name__):
        _library.define(_function.__name__ + _schema)
        _library.impl(_function.__name__, _function, "CPU")
