"""All ranks of a group share memory, or none does: agreed once per group, over the group itself.

Four reductions, each a small matrix in which every rank fills its own column:

1. *Hello*, of the same shape as the exchange that other implementations make in this place. A column without the greeting
   belongs to a rank with another choice.
2. Rank 0 says where its memory is.
3. Each rank says whether it has mapped it, and locked its byte.
4. Each rank says whether it sees the locks of all others.

Every rank learns the same, and raises the same error or none.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist

from syncfree import SyncfreeError

from . import _mailbox
from ._mailbox import Mailbox, payload_bytes
from ._segment import NONCE_BYTES, Reason, Segment, SegmentError

GREETINGS = {"shm_mailbox": -0x53594E01, "auto": -0x53594E81}
"""The first message of a rank, by choice: negative, which no token count is. The last digits are the choice and the version of the
layout and of this agreement."""
_NONCE = struct.Struct(f"<{NONCE_BYTES // 4}i")
_log = logging.getLogger("syncfree")


class AgreementError(SyncfreeError, RuntimeError):
    """The ranks cannot share memory, so none of them does. It names the ranks and the reasons."""


class NotSharedError(AgreementError):
    """A rank runs where it cannot share memory, which every rank has been told: all may continue in another way.

    Attributes:
        reasons: what each such rank says, in one line.
    """

    def __init__(self, message: str, reasons: str) -> None:
        super().__init__(message)
        self.reasons = reasons


class Columns:
    """Reductions of one group in which each rank fills its column.

    Args:
        rank: this rank's column.
        size: number of columns.
        group: the process group.
        device: where its backend works.
        choice: the name of the implementation, for errors.
    """

    def __init__(self, rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str, choice: str) -> None:
        self.choice = choice
        self._rank = rank
        self._size = size
        self._group = group
        self._device = device
        self._options = dist.AllreduceOptions()
        self._options.timeout = timedelta(seconds=_mailbox.STALL_S)

    def exchange(self, mine: Sequence[int]) -> list[list[int]]:
        """This rank's integers to all; returns those of each rank. The group's own method: vLLM's may be unregistered."""
        matrix = torch.zeros(self._size, len(mine), dtype=torch.int32)
        matrix[self._rank] = torch.tensor(mine, dtype=torch.int32)
        matrix = matrix.t().contiguous().to(self._device)
        try:
            self._group.allreduce([matrix], self._options).wait()
        except RuntimeError as error:
            raise AgreementError(
                f"syncfree: dp_all_reduce is {self.choice} here, but the ranks could not agree on it over their group: a rank "
                f"ended, stalls, or has another choice. The group says: {error}"
            ) from error
        columns: list[list[int]] = matrix.t().tolist()
        return columns


def agree(
    count: int, rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str, choice: str = "shm_mailbox"
) -> Mailbox:
    """Make the mailbox of a group; every rank must call it, with the same `count` of integers that the exchange is for.

    Raises:
        NotSharedError: on every rank, when one cannot share memory with the others.
        AgreementError: on every rank, when one is lost meanwhile, or does not come within `_mailbox.STALL_S`; on those with
            this `choice`, when one has another.
    """
    columns = Columns(rank, size, group, device, choice)
    _greet(columns, count)
    segment: Segment | None = None
    problem = SegmentError(Reason.NONE)
    if rank == 0:
        try:
            segment = Segment.create(payload_bytes(size))
        except SegmentError as error:
            problem = error
    invitation = [os.getpid(), -1, *_NONCE.unpack(bytes(NONCE_BYTES))]
    if segment is not None:
        invitation = [os.getpid(), segment.descriptor, *_NONCE.unpack(segment.nonce)]
    invitations = columns.exchange(invitation)
    process, number, *nonce = invitations[0]
    if rank != 0 and number >= 0:
        try:
            segment = Segment.attach(process, number, _NONCE.pack(*nonce), payload_bytes(size), rank)
        except SegmentError as error:
            problem = error
    _report(columns, problem)
    assert segment is not None
    if not all(segment.is_locked(other) for other in range(size) if other != rank):
        problem = SegmentError(Reason.NO_LOCKS)
    _report(columns, problem)
    processes = [invitation[0] for invitation in invitations]
    _log.info("syncfree: shm_mailbox: rank %d of %d shares memory with processes %s", rank, size, processes)
    return Mailbox(segment, rank, processes)


def _greet(columns: Columns, count: int) -> None:
    mine = GREETINGS[columns.choice]
    strangers = [rank for rank, greeting in enumerate(columns.exchange([mine] * count)) if set(greeting) != {mine}]
    if strangers:
        raise AgreementError(
            f"syncfree: dp_all_reduce is {columns.choice} here, but not on {_ranks(strangers)}: every rank must run with the same "
            "choice and the same syncfree. Set SYNCFREE_DP_ALL_REDUCE alike on all ranks; `syncfree doctor` shows what a "
            "process has chosen"
        )


def _report(columns: Columns, problem: SegmentError) -> None:
    told = columns.exchange([problem.reason, problem.number])
    failed = [(rank, Reason(reason), number) for rank, (reason, number) in enumerate(told) if reason]
    if failed:
        lines = "; ".join(
            f"rank {rank} {reason.text}" + (f" ({os.strerror(number)})" if number else "") for rank, reason, number in failed
        )
        raise NotSharedError(
            f"syncfree: dp_all_reduce=shm_mailbox needs all ranks on one machine, sharing memory, so no rank uses it: {lines}. "
            "Choose SYNCFREE_DP_ALL_REDUCE=auto, upstream or sync_free on every rank",
            lines,
        ) from (problem if problem.reason else None)


def _ranks(ranks: Sequence[int]) -> str:
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"
