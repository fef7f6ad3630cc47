"""``dp_all_reduce`` through memory that the ranks share, without a collective."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from ._agreement import AgreementError, agree
from ._mailbox import MOST, Mailbox, integers

_mailboxes: WeakKeyDictionary[dist.ProcessGroup, Mailbox | AgreementError] = WeakKeyDictionary()


def dp_all_reduce(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str
) -> torch.Tensor:
    """See the contract. The first call of a group agrees over the group on the memory, and makes the host wait.

    Declines more than 15 integers, which all ranks do together.

    Raises:
        TypeError: an item of `local` is not an integer. Nothing was given to the others; they wait for the next call.
        ValueError: one is not within int32; likewise.
        AgreementError: the ranks cannot share memory, for one because they run on several machines or chose differently.
        RankLostError: a rank ended (told within a second) or did not come within ten minutes.
    """
    return exchange(local, rank, size, group, device, "shm_mailbox")


def exchange(
    local: Sequence[int], rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str, choice: str
) -> torch.Tensor:
    """`dp_all_reduce` for the implementation with the name `choice`: ranks with different ones do not agree."""
    if not 0 < len(local) <= MOST:
        return NotImplemented  # type: ignore[no-any-return]
    if size == 1:
        columns = [integers(local)]
    else:
        mailbox = _mailboxes.get(group)
        if type(mailbox) is not Mailbox:
            mailbox = _join(len(local), rank, size, group, device, choice)
        columns = mailbox.exchange(local)
    matrix = torch.frombuffer(array("i", [value for row in zip(*columns, strict=True) for value in row]), dtype=torch.int32)
    matrix = matrix.view(len(local), size)
    if torch.device(device).type == "cpu":
        return matrix
    return matrix.pin_memory().to(device, non_blocking=True)


def _join(
    count: int, rank: int, size: int, group: dist.ProcessGroup, device: torch.device | str, choice: str
) -> Mailbox:
    known = _mailboxes.get(group)
    if isinstance(known, AgreementError):
        raise known
    try:
        mailbox = agree(count, rank, size, group, device, choice)
    except AgreementError as error:
        _mailboxes[group] = error
        raise
    _mailboxes[group] = mailbox
    return mailbox


def _in_child() -> None:
    for mailbox in _mailboxes.values():
        if isinstance(mailbox, Mailbox):
            mailbox.forked()


os.register_at_fork(after_in_child=_in_child)
