"""The plugin ``shm_mailbox``: data-parallel ranks on one machine exchange their integers through shared memory.

It gives upstream's result bit for bit, but is not declared exact: what is exact may be chosen by default, and this changes
how ranks wait for each other and how a lost rank ends, so it is chosen by name only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from syncfree import hookimpl

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist


@hookimpl(
    host_syncs=0,
    lockstep=True,
    needs=("torch",),
    implementation="syncfree.plugins.shm_mailbox.dp_all_reduce:dp_all_reduce",
)
def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """Every rank's few integers on every rank, without a collective; see `syncfree.hooks.dp_all_reduce`."""
    raise NotImplementedError
