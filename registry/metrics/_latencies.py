"""The instrument that times a share of the calls of every hook, for the histogram ``syncfree_call_seconds``.

Each call is drawn by itself: with every n-th call, a hook that is called n times in a step would be timed in one place of the
step only. Only the host's clock is read, so nothing waits for a device, and only the calls that are drawn are timed.
"""

from __future__ import annotations

import functools
import random
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from threading import get_ident
from typing import Any

from .._instruments import Place, is_traced_function
from .._plugins import Implementation
from .._selection import UPSTREAM

BOUNDS = tuple(digit * 10**power for power in range(3, 10) for digit in (1, 2, 5))
"""The upper bounds of the buckets but the last one, in nanoseconds: 1 us to 5 s."""

Bucket = tuple[int, int]
"""The number of calls, and the sum of their nanoseconds."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Timed calls of one choice at one target.

    Attributes:
        buckets: one for each of `BOUNDS`, and one for the longer calls.
    """

    buckets: tuple[Bucket, ...]

    @classmethod
    def of(cls, buckets: object) -> Histogram:
        """Return the histogram that a process told.

        Raises:
            TypeError: these are not buckets.
            ValueError: they have other bounds.
        """
        if not isinstance(buckets, list | tuple):
            raise TypeError(f"buckets must be a list, not {type(buckets).__name__}")
        if len(buckets) != len(BOUNDS) + 1:
            raise ValueError(f"there are {len(buckets)} buckets instead of {len(BOUNDS) + 1}")
        return cls(tuple((int(calls), int(nanoseconds)) for calls, nanoseconds in buckets))

    @property
    def seconds(self) -> float:
        """The sum over all calls."""
        return sum(nanoseconds for _, nanoseconds in self.buckets) / 1e9


NOTHING = Histogram(((0, 0),) * (len(BOUNDS) + 1))


class Latencies:
    """Times calls of one hook: an `Instrument`.

    Args:
        share: the probability with which a call is timed.
        draw: returns a uniform number from 0 to 1. The program's own random numbers stay as they are.
    """

    def __init__(self, share: float, draw: Callable[[], float] | None = None) -> None:
        self.share = share
        self.draw = draw or random.Random().random
        self._probes: dict[str, PlaceLatencies] = {}

    def at(self, place: Place) -> PlaceLatencies:
        """Return what times the calls of a place."""
        return self._probes.setdefault(place.target, PlaceLatencies(self))

    def results(self) -> dict[str, dict[str, Histogram]]:
        """Return the histograms: target, then choice. A choice without timed calls is left out."""
        found = {target: probe.results() for target, probe in list(self._probes.items())}
        return {target: by_choice for target, by_choice in found.items() if by_choice}


class PlaceLatencies:
    """Times calls of one target: a `Probe`."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        # By choice, then thread: each thread writes only its own buckets, one at a time, so that no lock is needed.
        self._timed: dict[str, dict[int, list[Bucket]]] = {}

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Leave it alone: the adapter's translation is part of the cost."""
        return function

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Time the replacement, or upstream. Calls that are declined or raise are not counted."""
        share, draw = self._latencies.share, self._latencies.draw
        by_thread = self._timed.setdefault(UPSTREAM if implementation is None else implementation.plugin, {})
        is_traced = is_traced_function() or (lambda: False)
        clock = time.perf_counter_ns

        @functools.wraps(replacement)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if is_traced() or draw() >= share:
                return replacement(*args, **kwargs)
            start = clock()
            result = replacement(*args, **kwargs)
            nanoseconds = clock() - start
            if result is not NotImplemented:
                _add(by_thread, nanoseconds)
            return result

        return timed

    def results(self) -> dict[str, Histogram]:
        """Return the histograms by choice."""
        found = {choice: [list(buckets) for buckets in list(by_thread.values())] for choice, by_thread in list(self._timed.items())}
        return {choice: _total(threads) for choice, threads in found.items() if threads}


def _add(by_thread: dict[int, list[Bucket]], nanoseconds: int) -> None:
    thread = get_ident()
    buckets = by_thread.get(thread)
    if buckets is None:
        buckets = by_thread.setdefault(thread, [(0, 0)] * (len(BOUNDS) + 1))
    index = bisect_left(BOUNDS, nanoseconds)
    calls, total = buckets[index]
    buckets[index] = calls + 1, total + nanoseconds


def _total(threads: list[list[Bucket]]) -> Histogram:
    together = zip(*threads, strict=True)
    return Histogram(tuple((sum(calls for calls, _ in same), sum(total for _, total in same)) for same in together))
