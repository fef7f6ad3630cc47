"""Keeps every result, for statistics that nobody reads."""

from __future__ import annotations

import torch

from syncfree import hookimpl
from syncfree.hooks import HOOKS

RESULTS = []


@hookimpl(exact=True, host_syncs=0, needs=("torch",))
def postprocess(decoded: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = HOOKS["postprocess"].reference(decoded)
    RESULTS.append(result)
    return result
