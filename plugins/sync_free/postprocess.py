"""`postprocess` in place."""

from __future__ import annotations

import torch


def postprocess(decoded: torch.Tensor) -> torch.Tensor:
    """Scale, shift and clamp the tensor that the caller gave up; three temporaries of a whole clip less.

    Source: SGLang #27041.
    """
    return decoded.mul_(0.5).add_(0.5).clamp_(0, 1).float()
