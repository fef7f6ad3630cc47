"""Has a parameter that the contract does not have."""

from __future__ import annotations

import torch

from syncfree import hookimpl


@hookimpl(exact=True, host_syncs=0, needs=("torch",))
def postprocess(decoded: torch.Tensor, scale: float = 0.5) -> torch.Tensor:
    return (decoded * scale + scale).clamp(0, 1).float()
