"""``sequence_parallel_all_to_all`` for tensors in host memory: each rank writes once into memory that all ranks have mapped.

Every rank has a segment of two halves, used in turn by even and odd exchanges. In an exchange it writes its tensors into one half of
its own segment, waits for the others in a barrier of the group, and reads its parts out of all segments. One barrier is enough: a
half is written again two exchanges later, and the barrier in between is entered only by ranks that have read it.

A segment is a memfd: it has no name in the file system, and the kernel frees it when the last process that has mapped it ends,
however that ends. The others open it through ``/proc/<pid>/fd``, which the kernel allows to processes of the same user.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

NAME = "memfd_all_to_all"
HEADER = 64
"""Bytes before the halves: they begin with a random number, by which the others know the segment."""
ALIGNED = 64
"""Every tensor begins at a multiple of this, whatever its dtype."""


def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """See the contract. The first exchange of a group, and one that is larger than any before, makes the segments.

    Declines, by what is the same on all ranks, tensors on another device than the CPU. In code that torch.compile traces the exchange
    is a collective of the group, because memory outside of tensors cannot be traced: all ranks compile that code, or none.

    Raises:
        ValueError: dim 0 cannot be split evenly.
        RuntimeError: on all ranks, when one cannot make its segment or cannot open that of another. It names ranks and reasons.
    """
    size = dist.get_world_size(group)
    for tensor in tensors:
        if not tensor.dim() or tensor.shape[0] % size:
            raise ValueError(f"dim 0 of {tuple(tensor.shape)} cannot be split in {size} equal parts")
    if any(tensor.device.type != "cpu" for tensor in tensors):
        return NotImplemented  # type: ignore[no-any-return]
    if torch.compiler.is_compiling():
        return _traced(tensors, group)
    key = group or dist.group.WORLD
    assert key is not None, "get_world_size raises without a default group"
    needed = sum(_padded(tensor) for tensor in tensors)
    exchange = _exchanges.get(key)
    if exchange is None or exchange.half < needed:
        exchange = _exchanges[key] = _Exchange(key, needed)
    return exchange.run(tensors, key)


def _traced(tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None) -> tuple[torch.Tensor, ...]:
    received = []
    for tensor in tensors:
        sent = tensor.contiguous()
        received.append(torch.empty_like(sent))
        dist.all_to_all_single(received[-1], sent, group=group)
    return tuple(received)


class _Exchange:
    """The segments of all ranks of a group, each with two halves of at least ``needed`` bytes; all ranks make it together."""

    def __init__(self, group: dist.ProcessGroup, needed: int) -> None:
        self.half = max(mmap.PAGESIZE, 1 << (needed - 1).bit_length())  # powers of two, so that it is seldom made again
        self._rank = dist.get_rank(group)
        self._count = 0
        nonce, length = secrets.token_bytes(16), HEADER + 2 * self.half
        descriptor, problem = -1, None
        try:
            descriptor = _new_segment(nonce, length)
        except OSError as error:
            problem = f"cannot make a segment of {length} bytes: {error}"
        try:
            told = _agreed(group, problem, (os.getpid(), descriptor, nonce))
            problem = None
            try:
                self._segments = [_mapped(*segment, length) for segment in told]
            except OSError as error:
                problem = f"cannot open the segment of another rank, which must be on this machine and of this user: {error}"
            _agreed(group, problem, None)
        finally:
            if descriptor >= 0:
                os.close(descriptor)  # every rank has mapped it, or none uses it

    def run(self, tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup) -> tuple[torch.Tensor, ...]:
        """Exchange the tensors; every rank has the same shapes and dtypes, so each knows where everything lies.

        The group is not kept: it is the key of a weak table whose value this is.
        """
        start = HEADER + self.half * (self._count & 1)
        self._count += 1
        for tensor, mine in zip(tensors, _laid_out(self._segments[self._rank], tensors, start), strict=True):
            mine.copy_(tensor.detach())
        # A barrier by the tensor's device, which `dist.barrier` does not take: the group may have NCCL for CUDA beside Gloo.
        dist.all_reduce(torch.zeros(1), group=group)
        size = len(self._segments)
        received = [_laid_out(segment, tensors, start) for segment in self._segments]
        return tuple(
            torch.cat([theirs.chunk(size)[self._rank] for theirs in parts]) for parts in zip(*received, strict=True)
        )


_exchanges: WeakKeyDictionary[dist.ProcessGroup, _Exchange] = WeakKeyDictionary()


def _padded(tensor: torch.Tensor) -> int:
    return -(-tensor.numel() * tensor.element_size() // ALIGNED) * ALIGNED


def _laid_out(segment: torch.Tensor, tensors: tuple[torch.Tensor, ...], start: int) -> Iterator[torch.Tensor]:
    """Yield a view of the segment for each tensor, contiguous, with its shape and dtype."""
    for tensor in tensors:
        used = segment[start : start + tensor.numel() * tensor.element_size()]
        yield used.view(tensor.dtype).view(tensor.shape)
        start += _padded(tensor)


def _new_segment(nonce: bytes, length: int) -> int:
    """Return the descriptor of a new segment, which nobody can shrink: access beyond its end would be a SIGBUS."""
    descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(descriptor, 0, length)  # memory that runs out later would be a SIGBUS, too
        os.pwrite(descriptor, nonce, 0)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mapped(process: int, number: int, nonce: bytes, length: int) -> torch.Tensor:
    """Map the segment of a rank as bytes ``[length]`` uint8.

    Raises:
        OSError: there is no such process or descriptor here, it is not the segment, or belongs to another user.
    """
    path = f"/proc/{process}/fd/{number}"
    # In another PID namespace this is some other process, and opening a pipe or a device of it could do harm.
    if not os.readlink(path).startswith(f"/memfd:{NAME}"):
        raise FileNotFoundError(f"{path} is not a segment")
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_size != length or os.pread(descriptor, len(nonce), 0) != nonce:
            raise FileNotFoundError(f"{path} is another segment")
        return torch.frombuffer(mmap.mmap(descriptor, length), dtype=torch.uint8)
    finally:
        os.close(descriptor)


def _agreed(group: dist.ProcessGroup, problem: str | None, mine: Any) -> list[Any]:
    """Give this rank's object to all ranks and return those of each; raise on every rank when one has a problem."""
    told: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(told, (problem, mine), group=group)
    problems = [f"rank {rank} {text}" for rank, (text, _) in enumerate(told) if text]
    if problems:
        raise RuntimeError(
            f"{NAME} needs all ranks on one machine, sharing memory, so no rank uses it: {'; '.join(problems)}. Choose "
            "SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL=upstream or sync_free on every rank"
        )
    return [given for _, given in told]
