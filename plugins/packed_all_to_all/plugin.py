"""The plugin ``packed_all_to_all``: one collective for all tensors of a call, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncfree import hookimpl

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist


@hookimpl(
    exact=True,
    host_syncs=0,
    lockstep=True,
    needs=("torch",),
    implementation="syncfree.plugins.packed_all_to_all.sequence_parallel_all_to_all:sequence_parallel_all_to_all",
)
def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """Exchange all tensors at once; see `syncfree.hooks.sequence_parallel_all_to_all`."""
    raise NotImplementedError
