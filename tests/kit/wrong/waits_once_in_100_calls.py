"""Looks at a value of the device in every hundredth call."""

from __future__ import annotations

import itertools

import torch

from syncfree import hookimpl

CALLS = itertools.count(1)


@hookimpl(exact=True, host_syncs=0, needs=("torch",))
def postprocess(decoded: torch.Tensor) -> torch.Tensor:
    result = (decoded * 0.5 + 0.5).clamp(0, 1).float()
    if next(CALLS) % 100 == 0 and result.numel():
        float(result.view(-1)[0])
    return result
