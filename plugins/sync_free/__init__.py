"""The plugin ``sync_free``: every hook, bitwise equal to upstream and without a host sync.

The functions here declare; the modules they name are imported only when an implementation is chosen, so that reading
this plugin needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncfree import hookimpl

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist

    from syncfree.hooks.scheduler_step import MultistepUpdate

_HERE = "syncfree.plugins.sync_free"


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.scheduler_step:scheduler_step")
def scheduler_step(update: MultistepUpdate) -> torch.Tensor:
    """One UniPC update; see `syncfree.hooks.scheduler_step`."""
    raise NotImplementedError


@hookimpl(
    exact=True,
    host_syncs=0,
    needs=("torch",),
    implementation=f"{_HERE}.sequence_parallel_all_to_all:sequence_parallel_all_to_all",
)
def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup
) -> tuple[torch.Tensor, ...]:
    """An exchange between ranks; see `syncfree.hooks.sequence_parallel_all_to_all`."""
    raise NotImplementedError


@hookimpl(
    exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.sampler_logprob_gather:sampler_logprob_gather"
)
def sampler_logprob_gather(
    scores: torch.Tensor,
    token_ids: Mapping[int, Sequence[int]],
    sampled: torch.Tensor,
    token_logprobs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    token_ranks: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logprobs of requested tokens; see `syncfree.hooks.sampler_logprob_gather`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, needs=("torch",), implementation=f"{_HERE}.dp_all_reduce:dp_all_reduce")
def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """Every rank's few integers on every rank; see `syncfree.hooks.dp_all_reduce`."""
    raise NotImplementedError


@hookimpl(exact=True, host_syncs=0, implementation=f"{_HERE}.progress_reporting:progress_reporting")
def progress_reporting(
    iterable: Iterable[Any] | None,
    total: int | None,
    rank: int | None,
    bar: Callable[..., Any],
    options: Mapping[str, Any],
) -> Any:
    """One progress bar per job; see `syncfree.hooks.progress_reporting`."""
    raise NotImplementedError
