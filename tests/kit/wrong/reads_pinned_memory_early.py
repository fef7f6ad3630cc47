"""Selects on the host, from a copy that it does not wait for."""

from __future__ import annotations

import torch

from syncfree import hookimpl


@hookimpl(exact=True, host_syncs=0, needs=("torch",))
def pooled_rows(pooled: torch.Tensor, rows: list[int]) -> torch.Tensor:
    on_host = torch.empty(pooled.shape, dtype=pooled.dtype, pin_memory=pooled.is_cuda)
    on_host.copy_(pooled, non_blocking=True)
    selected = torch.empty(len(rows), *pooled.shape[1:], dtype=pooled.dtype, pin_memory=pooled.is_cuda)
    selected.copy_(on_host[rows])
    return selected.to(pooled.device, non_blocking=True)
