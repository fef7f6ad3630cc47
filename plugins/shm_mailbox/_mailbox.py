"""The exchange itself: each rank writes its integers where all others read them.

Layout: two halves, used in turn by even and odd steps; in each half a slot per rank; in a slot a word of 64 bits per integer.
A word holds the integer below and the step's tag above, and is written and read in one piece, so it says by itself whether
it is of this step. That is the whole ordering: no word is trusted because of another one, so it does not matter in which
order stores of one core are seen by others (x86 keeps that order, ARM does not).

A rank writes step s + 1 when it has read all of step s, and that read decides whether it goes on, which no processor turns
round. So when a half is used again, in step s + 2, everybody has left step s.

CPython stores and loads an item of a memoryview of format ``Q`` with a copy of eight bytes of a known size, which compilers
turn into one instruction; slots begin at multiples of 128 bytes, so the words are aligned.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from collections.abc import Sequence
from operator import index

from syncfree import SyncfreeError

from ._futex import Futex
from ._segment import Segment

WORDS = 16
"""Words of a slot: 128 bytes, so that two ranks never write into one cache line (or pair of lines)."""
MOST = WORDS - 1
"""Most integers of a call: the tag has four bits for their number."""
BIAS = 2**31
SPIN_S = 50e-6
"""The time for which a rank polls before it sleeps. It does not yield: beside processes that compute, a yield costs a
time slice of milliseconds, and a sleeper is woken at once."""
LOOK_S = 0.1
"""The interval at which a sleeping rank looks whether the others live."""
WARN_S = 60.0
STALL_S = 600.0
"""A rank that lives and does not come for so long is an error."""

_TAG_HALF = 4 if sys.byteorder == "little" else 0
"""The position of the tag's 32 bits in a word."""
_log = logging.getLogger("syncfree")


class RankLostError(SyncfreeError, RuntimeError):
    """A rank ended, gave up, or did not come in time. The ranks cannot go on; every later call raises it again."""


def payload_bytes(size: int) -> int:
    """Memory that `size` ranks need."""
    return 2 * size * WORDS * 8


def integers(local: Sequence[int]) -> list[int]:
    """Return what can be exchanged: 1 to `MOST` integers within int32, of whatever type that has ``__index__``, as Python's own.

    Raises:
        TypeError: an item is not an integer.
        ValueError: there are too many or too few, or one is not within int32.
    """
    try:
        values = list(map(index, local))
    except TypeError as error:
        raise TypeError(f"syncfree: shm_mailbox exchanges integers within int32, not {_shown(local)}: {error}") from error
    if not 1 <= len(values) <= MOST:
        raise ValueError(f"syncfree: shm_mailbox exchanges 1 to {MOST} integers in a call, not {len(values)}")
    if min(values) < -BIAS or max(values) >= BIAS:
        raise ValueError(f"syncfree: shm_mailbox exchanges integers within int32, not {_shown(local)}")
    return values


def _shown(local: Sequence[object]) -> str:
    return f"[{', '.join(map(repr, local))}]"


class Mailbox:
    """One rank's view of the memory. Calls must come from one thread at a time.

    Args:
        segment: the memory, `payload_bytes` long.
        rank: this rank.
        processes: the process of each rank, for messages.
    """

    def __init__(self, segment: Segment, rank: int, processes: Sequence[int]) -> None:
        self._segment = segment
        self._rank = rank
        self._processes = tuple(processes)
        self._step = 0
        self._failure: str | None = None
        size = len(processes)
        memory = segment.memory
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        words = memory.cast("Q")
        slots = range(0, 2 * size * WORDS, WORDS)
        views = [words[slot : slot + WORDS] for slot in slots]
        doors = [Futex(start + slot * 8 + _TAG_HALF) for slot in slots]
        self._halves = tuple((views[half : half + size], doors[half : half + size]) for half in (0, size))

    def exchange(self, local: Sequence[int]) -> list[list[int]]:
        """Give this rank's integers to all ranks; return those of each rank, by rank.

        Raises:
            TypeError: see `integers`; nothing was given, and the next call is of the same step.
            ValueError: likewise.
            RankLostError: a rank is lost, or this process is a fork of the one that made the mailbox.
        """
        if self._failure is not None:
            raise RankLostError(self._failure)
        numbers = integers(local)  # whatever can be refused is refused before the step begins
        self._step += 1
        views, doors = self._halves[self._step & 1]
        count = len(numbers)
        tag = (self._step << 4 | count) & 0xFFFFFFFF
        base = (tag << 32) + BIAS
        mine = views[self._rank]
        for place in range(count - 1, -1, -1):  # the first word last: others sleep on it
            mine[place] = base + numbers[place]
        doors[self._rank].wake()
        columns = []
        start = 0.0
        for peer, view in enumerate(views):
            values = [word - base for word in view[:count].tolist()]
            if min(values) < -BIAS or max(values) >= BIAS:
                start = start or time.perf_counter()
                values = self._await(peer, tag, views, doors, start)
            columns.append(values)
        return columns

    def forked(self) -> None:
        """Called in a forked child, which has the memory but is not the rank."""
        self._failure = f"process {os.getpid()} was forked from rank {self._rank} and cannot take part in its exchange"

    def _await(self, peer: int, tag: int, views: Sequence[memoryview], doors: Sequence[Futex], start: float) -> list[int]:
        """Wait until a rank's word has the tag; `start` is when this call found the first rank missing."""
        view, base = views[peer], (tag << 32) + BIAS
        looked, warned = start, False
        while True:
            first = view[0] >> 32
            now = time.perf_counter()
            if first == tag:
                # Where stores are not seen in their order, the other words can lag behind the first one for some nanoseconds.
                values = [word - base for word in view[: tag & MOST].tolist()]
                if min(values) >= -BIAS and max(values) < BIAS:
                    return values
            elif first >> 4 == tag >> 4:
                self._fail(f"rank {peer} gave {first & MOST} integers where rank {self._rank} gave {tag & MOST}")
            elif now - start > SPIN_S:
                doors[peer].sleep(first, LOOK_S)
                now = time.perf_counter()
            if now - looked > LOOK_S:
                looked = now
                warned = self._look(tag, views, now - start, warned)

    def _look(self, tag: int, views: Sequence[memoryview], waited: float, warned: bool) -> bool:
        """Fail if a rank that has not come is lost, or is late; returns whether that was said in the log."""
        late = [rank for rank, view in enumerate(views) if view[0] >> 32 != tag]
        for rank in late:
            # It may have come and ended between the two looks at its word.
            if not self._segment.is_locked(rank) and views[rank][0] >> 32 != tag:
                self._fail(f"{self._names([rank])} ended or gave up before step {self._step}")
        if late and waited > STALL_S:
            self._fail(f"{self._names(late)} did not come to step {self._step} within {STALL_S:.0f} s")
        if late and waited > WARN_S and not warned:
            _log.warning("syncfree: shm_mailbox has waited %.0f s for %s", waited, self._names(late))
            return True
        return warned

    def _names(self, ranks: Sequence[int]) -> str:
        return ", ".join(f"rank {rank} (process {self._processes[rank]})" for rank in ranks)

    def _fail(self, what: str) -> None:
        self._failure = f"syncfree: shm_mailbox, rank {self._rank} of {len(self._processes)}: {what}"
        self._segment.leave()
        raise RankLostError(self._failure)
