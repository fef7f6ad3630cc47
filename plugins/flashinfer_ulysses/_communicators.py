"""FlashInfer's communicators, one per process group: made when it is needed, and made anew when a call is too large for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from syncfree import SyncfreeError

LEAST_WORDS = 1 << 22
"""A communicator's smallest capacity, in words of 32 bits: 16 MiB of memory that the ranks share."""


class UlyssesUnavailableError(SyncfreeError, RuntimeError):
    """FlashInfer cannot exchange between these ranks over NVLink, which every rank is told alike."""


class _Kept(NamedTuple):
    communicator: Any
    done: torch.cuda.Event  # recorded after the last exchange: the kernel's signals serve one at a time, whatever the stream


class Communicators:
    """The communicators of a process. They are never closed but to be replaced: closing needs all ranks, and waits for the device."""

    def __init__(self) -> None:
        self._kept: dict[dist.ProcessGroup | None, _Kept] = {}

    def scatter_of(self, group: dist.ProcessGroup | None, device: torch.device, words: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return a function that exchanges tensors of up to `words` words; collective where a communicator has to be made."""
        kept = self._kept.get(group)
        if kept is None or kept.communicator.max_elems < words:
            if kept is not None:
                del self._kept[group]
                kept.communicator.close()
            kept = self._kept[group] = _Kept(_made(group, device, words), torch.cuda.Event())

        communicator, done = kept

        def scatter(rows: torch.Tensor) -> torch.Tensor:
            done.wait()
            received: torch.Tensor = communicator.scatter_heads(rows)
            done.record()
            return received

        return scatter


def _made(group: dist.ProcessGroup | None, device: torch.device, words: int) -> Any:
    from flashinfer.comm import UlyssesCommunicator  # loads its libraries; without it the plugin can be listed and checked

    capacity = min(max(LEAST_WORDS, 1 << (words - 1).bit_length()), 2**31 - 1)
    try:
        # Never "auto": it exchanges over NCCL where NVLink is missing, which is another implementation than the one that was chosen.
        return UlyssesCommunicator(group, max_elems=capacity, dtype=torch.float32, backend="nvlink", device=device)
    except (RuntimeError, ValueError) as error:
        raise UlyssesUnavailableError(
            "syncfree: sequence_parallel_all_to_all=flashinfer_ulysses needs 2, 4, 6 or 8 GPUs of one node, each joined to each by "
            "NVLink. Choose sync_free, packed_all_to_all or upstream in SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL on every rank. "
            f"FlashInfer says: {error}"
        ) from error
