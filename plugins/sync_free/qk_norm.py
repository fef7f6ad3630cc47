"""`qk_norm` in one launch where the framework has a kernel for both."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import rms_norm


def qk_norm(
    q: torch.Tensor,
    k: torch.Tensor,
    q_weight: torch.Tensor,
    k_weight: torch.Tensor,
    eps: float,
    fused: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hand both to the framework's kernel; norm one after the other where there is none.

    Slices of a packed projection are made contiguous for the kernel: two copies and a launch instead of two norms, as
    SGLang #27041 does.
    """
    if fused is not None:
        return fused(q.contiguous(), k.contiguous(), q_weight, k_weight, eps)
    return rms_norm(q, q_weight.shape, q_weight, eps), rms_norm(k, k_weight.shape, k_weight, eps)
