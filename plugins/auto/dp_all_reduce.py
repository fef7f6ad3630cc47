"""``dp_all_reduce`` through shared memory if all ranks can share it, else upstream's; agreed once per process group."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from weakref import WeakSet

import torch
import torch.distributed as dist

from syncfree.plugins.shm_mailbox._agreement import NotSharedError
from syncfree.plugins.shm_mailbox.dp_all_reduce import exchange

_apart: WeakSet[dist.ProcessGroup] = WeakSet()
"""Groups whose ranks have agreed that they cannot share memory."""
_log = logging.getLogger("syncfree")


def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """See the contract. The first call of a group agrees over the group, and makes the host wait.

    Declines every call of a group whose ranks cannot share memory, on all ranks alike: they are told so together, in that
    first call, which rank 0 logs at WARNING with the reasons. Declines more than 15 integers, which all ranks do together.

    Raises:
        TypeError: as ``shm_mailbox``.
        ValueError: likewise.
        AgreementError: a rank chose differently, or is lost before the ranks have agreed.
        RankLostError: a rank ended (told within a second) or did not come within ten minutes.
    """
    if group in _apart:
        return NotImplemented  # type: ignore[no-any-return]
    try:
        return exchange(local, rank, size, group, device, "auto")
    except NotSharedError as error:
        _apart.add(group)
        level = logging.WARNING if rank == 0 else logging.INFO
        _log.log(level, "syncfree: dp_all_reduce=auto: every rank uses upstream's exchange, because %s", error.reasons)
        return NotImplemented  # type: ignore[no-any-return]
