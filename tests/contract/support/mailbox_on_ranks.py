"""The work of a rank of `gloo_ranks` in the tests of ``shm_mailbox``: each function over a group of its own, with a mailbox of its
own, so that what one test spoils is not the next one's.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist

from syncfree.plugins.shm_mailbox import _mailbox
from syncfree.plugins.shm_mailbox import dp_all_reduce as module
from syncfree.plugins.shm_mailbox.dp_all_reduce import dp_all_reduce

from .vllm_on_ranks import both_v1, v1_config

MANY_STEPS = 300
Exchange = Callable[..., list[list[int]]]


class Ended(NamedTuple):
    """The end of a call on a rank: the error (empty without one), and after how many seconds."""

    error: str
    seconds: float


def exchange_of_a_new_group() -> Exchange:
    """The exchange of this rank's integers over a new group of all ranks."""
    group = dist.new_group(backend="gloo")

    def exchange(*local: int) -> list[list[int]]:
        return dp_all_reduce(local, dist.get_rank(), dist.get_world_size(), group, "cpu").tolist()

    exchange.group = group  # type: ignore[attr-defined]
    return exchange


def timed(call: Callable[[], Any]) -> Ended:
    start = time.perf_counter()
    try:
        call()
    except RuntimeError as error:
        return Ended(f"{type(error).__name__}: {error}", time.perf_counter() - start)
    return Ended("", time.perf_counter() - start)


def process() -> int:
    return os.getpid()


def many_steps(seed: int) -> int:
    """Exchange numbers that follow from step and rank; return how many steps gave what they had to."""
    exchange, rank, size = exchange_of_a_new_group(), dist.get_rank(), dist.get_world_size()
    right = 0
    for step in range(MANY_STEPS):
        count = 1 + (seed + step) % 15
        expected = [[_number(seed, step, row, other) for other in range(size)] for row in range(count)]
        if (step * 7 + rank) % 50 == 0:
            time.sleep(0.002)  # late enough for the others to go to sleep
        right += exchange(*(row[rank] for row in expected)) == expected
    return right


def _number(seed: int, step: int, row: int, rank: int) -> int:
    return (hash((seed, step, row, rank)) % 2**32) - 2**31


def across_the_last_step(steps: int) -> list[list[list[int]]]:
    """Exchange while the number of the step outgrows its bits."""
    exchange = exchange_of_a_new_group()
    exchange(0)
    mailbox = module._mailboxes[exchange.group]  # type: ignore[attr-defined]
    assert isinstance(mailbox, _mailbox.Mailbox)
    mailbox._step = 2**28 - steps // 2
    return [exchange(step, dist.get_rank()) for step in range(steps)]


def killed_in_a_step(rank: int) -> tuple[Ended, Ended]:
    """A rank is killed while the others wait for it, and a child of it lives on with all that it inherited.

    Returns what the others get in this step and in the next.
    """
    exchange = exchange_of_a_new_group()
    exchange(1)
    if dist.get_rank() == rank:
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)
    return timed(lambda: exchange(2)), timed(lambda: exchange(3))


def all_killed() -> None:
    """Every rank is killed right after an exchange."""
    exchange = exchange_of_a_new_group()
    exchange(1)
    os.kill(os.getpid(), signal.SIGKILL)


def stalled(rank: int, limit: float, stall: float) -> tuple[Ended, Ended]:
    """A rank comes later than it may; what all get in this step and in the next."""
    exchange = exchange_of_a_new_group()
    exchange(1)
    usual, _mailbox.STALL_S = _mailbox.STALL_S, limit
    if dist.get_rank() == rank:
        time.sleep(stall)
    try:
        return timed(lambda: exchange(2)), timed(lambda: exchange(3))
    finally:
        _mailbox.STALL_S = usual


def first_exchange_after(seconds: dict[int, float]) -> Ended:
    """The first exchange, which each rank comes to after its seconds."""
    exchange = exchange_of_a_new_group()
    time.sleep(seconds.get(dist.get_rank(), 0.0))
    return timed(lambda: exchange(1))


def missing_at_the_agreement(rank: int, limit: float, killed: bool) -> Ended:
    """A rank never comes to the first exchange: it is killed, or it stalls for longer than the limit."""
    exchange = exchange_of_a_new_group()
    usual, _mailbox.STALL_S = _mailbox.STALL_S, limit
    if dist.get_rank() == rank:
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(limit + 1.0)
        return Ended("", 0.0)
    try:
        return timed(lambda: exchange(1))
    finally:
        _mailbox.STALL_S = usual


def without_memory(rank: int) -> tuple[Ended, Ended]:
    """The first two exchanges, when a rank cannot get memory for a file."""
    exchange = exchange_of_a_new_group()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    if dist.get_rank() == rank:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, usual[1]))
    try:
        return timed(lambda: exchange(1)), timed(lambda: exchange(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def in_other_containers() -> tuple[Ended, Ended]:
    """The first two exchanges, when the number of the first rank's process means another process to the others."""
    exchange = exchange_of_a_new_group()
    usual = os.getpid
    if dist.get_rank() == 0:
        os.getpid = os.getppid
    try:
        return timed(lambda: exchange(1)), timed(lambda: exchange(1))
    finally:
        os.getpid = usual


def different_numbers() -> Ended:
    """Ranks disagree about how many integers there are."""
    exchange = exchange_of_a_new_group()
    exchange(1)
    return timed(lambda: exchange(*range(1 + dist.get_rank())))


REFUSED: dict[str, Sequence[Any]] = {
    "a float": (5, 2.0),
    "not a number": (float("nan"), 5),
    "a string": (5, "7"),
    "nothing": (None, 5),
    "a float tensor": (5, torch.tensor(1.5)),
    "a vector": (torch.tensor([1, 2]), 5),
    "a float of numpy": (5, np.float32(2)),
    "a float array": np.array([5.0, 7.0]),
    "too large": (2**31, 5),
    "too small": (5, -(2**31) - 1),
    "too large for numpy": (5, np.int64(2**31)),
    "too large for 64 bits": (2**80, 5),
    "unsigned": (5, np.uint64(2**64 - 1)),
}
"""Two items that cannot be exchanged."""
INTEGERS: Sequence[Sequence[Any]] = (
    (True, np.int64(-5)),
    (np.uint8(255), torch.tensor(-(2**31))),
    np.array([7, -7], dtype=np.int16),
    torch.tensor([2**31 - 1, -1]),
    bytearray(b"ab"),
)
"""Two integers that are not of Python's own type."""


def refused(rank: int, first: bool) -> list[tuple[str, str, list[list[int]]]]:
    """One rank tries each of `REFUSED` before it gives what it should; the error it got, and what everybody got then.

    Args:
        rank: which one.
        first: whether the refused call is the first one of its group, before the ranks agreed.
    """
    found = []
    exchange = exchange_of_a_new_group()
    for step, (what, local) in enumerate(REFUSED.items()):
        if first:
            exchange = exchange_of_a_new_group()
        error = ""
        if dist.get_rank() == rank:
            try:
                exchange(*local)
            except (TypeError, ValueError) as refusal:
                error = f"{type(refusal).__name__}: {refusal}"
        found.append((what, error, exchange(step, dist.get_rank())))
    return found


def of_other_types() -> list[list[list[int]]]:
    """Exchange each of `INTEGERS`."""
    exchange = exchange_of_a_new_group()
    return [exchange(*local) for local in INTEGERS]


def different_choices(ranks: list[int], release: str) -> Ended:
    """Some ranks chose the mailbox, the others run upstream's code."""
    group = dist.new_group(backend="gloo")
    upstream, bound = both_v1(release, "cpu", group, "shm_mailbox")
    chosen = bound if dist.get_rank() in ranks else upstream
    return timed(lambda: chosen["_run_ar"](False, 5, 5, 0, v1_config(True)))


def in_a_fork() -> str:
    """Return what a forked child gets for its call, while its parent goes on."""
    exchange = exchange_of_a_new_group()
    exchange(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, timed(lambda: exchange(2)).error.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    assert exchange(3) == [[3] * dist.get_world_size()]
    with os.fdopen(reading) as pipe:
        return pipe.read()


def processor_seconds_of_waiting(rank: int, wait: float) -> float:
    """Processor time that the exchange took, in which all wait for one rank."""
    exchange = exchange_of_a_new_group()
    exchange(1)
    if dist.get_rank() == rank:
        time.sleep(wait)
    start = time.process_time()
    exchange(2)
    return time.process_time() - start


def files_opened() -> list[str]:
    """The files that the first exchange opens."""
    exchange = exchange_of_a_new_group()
    opened: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    exchange(1)
    watching = False
    return opened


def descriptors_after_groups(groups: int) -> tuple[int, int]:
    """Open descriptors after the exchange over a group that is gone, and after so many of them."""

    def over_a_group() -> int:
        exchange = exchange_of_a_new_group()
        exchange(1)
        dist.destroy_process_group(exchange.group)  # type: ignore[attr-defined]
        del exchange
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    return over_a_group(), [over_a_group() for _ in range(groups)][-1]
