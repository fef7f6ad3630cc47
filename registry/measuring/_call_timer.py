"""The instrument that times the calls of a hook in this process, block by block.

A call is measured if the choice that it ran with is that of the current block, so a call that a switch overtakes belongs to no
block. Of many calls only each ``every``-th is timed, so that the clock does not change what is measured. Between two blocks
nothing is timed.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .._instruments import Place, is_traced_function
from .._plugins import Implementation
from .._selection import UPSTREAM

_SAMPLES = 256
"""Timed calls of a block, about."""


@dataclass(slots=True)
class _Timed:
    """A timed call: nanoseconds on the host's clock, and CUDA events around it."""

    start: int
    end: int
    events: tuple[Any, Any] | None


@dataclass(slots=True)
class _Block:
    choice: str
    every: int
    began: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)
    calls: dict[str, list[_Timed]] = field(default_factory=dict)


class CallTimer:
    """Times the calls of one hook: an `Instrument`.

    Attributes:
        block: the block that calls belong to now; None between blocks.
        wake: what the next call calls first; None for nothing.
    """

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self.block: _Block | None = None
        self.wake = wake
        self._every = 1
        self._probes: dict[str, PlaceTimer] = {}

    def at(self, place: Place) -> PlaceTimer:
        """Return what times the calls of a place."""
        return self._probes.setdefault(place.target, PlaceTimer(self, place))

    def begin(self, choice: str) -> None:
        """Begin a block of calls with this choice."""
        self.block = _Block(choice, self._every)

    def timed_calls(self) -> dict[str, int]:
        """Return how many calls of the current block were timed, by target."""
        block = self.block
        return {} if block is None else {target: len(calls) for target, calls in list(block.calls.items())}

    def end(self, warm_up: int) -> dict[str, dict[str, float]]:
        """End the block; return its figures by target, in seconds, of all timed calls but the first ``warm_up``.

        ``host`` is the median time of a call, ``step`` the mean time from call to call, ``process`` the CPU time of the process
        in that time, ``device`` the median time between CUDA events around a call. A target with fewer than two calls is left out.
        """
        block, self.block = self.block, None
        if block is None:
            return {}
        wall, cpu = time.perf_counter() - block.began, time.process_time() - block.cpu
        by_target = dict(block.calls)
        most = max(map(len, by_target.values()), default=0) * block.every
        self._every = max(1, most // _SAMPLES)
        found = {target: _figures(calls[warm_up:], block.every, cpu / wall) for target, calls in by_target.items()}
        return {target: figures for target, figures in found.items() if figures}


class PlaceTimer:
    """Times the calls of one target: a `Probe`."""

    def __init__(self, timer: CallTimer, place: Place) -> None:
        self._timer = timer
        self._place = place
        self._numbers = itertools.count()

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Leave it alone: the adapter's translation is part of the cost."""
        return function

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Time the replacement, or upstream. A declined call is not measured."""
        timer, target, next_number = self._timer, self._place.target, self._numbers.__next__
        choice = UPSTREAM if implementation is None else implementation.plugin
        is_traced = is_traced_function() or (lambda: False)

        @functools.wraps(replacement)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if is_traced():
                return replacement(*args, **kwargs)
            if timer.wake is not None:
                timer.wake()
            block = timer.block
            if block is None or block.choice != choice or next_number() % block.every:
                return replacement(*args, **kwargs)
            events = _events()
            if events is not None:
                events[0].record()
            start = time.perf_counter_ns()
            result = replacement(*args, **kwargs)
            end = time.perf_counter_ns()
            if events is not None:
                events[1].record()
            if result is not NotImplemented:
                block.calls.setdefault(target, []).append(_Timed(start, end, events))
            return result

        return timed


def _figures(calls: list[_Timed], every: int, cpu_share: float) -> dict[str, float]:
    if len(calls) < 2:
        return {}
    step = (calls[-1].start - calls[0].start) / 1e9 / (len(calls) - 1) / every
    found = {"host": median(call.end - call.start for call in calls) / 1e9, "step": step, "process": step * cpu_share}
    events = [call.events for call in calls if call.events is not None and call.events[1].query()]
    if events:
        found["device"] = median(start.elapsed_time(end) for start, end in events) / 1e3
    return found


def _events() -> tuple[Any, Any] | None:
    """Return two CUDA events; None without a GPU that this process uses, and while a CUDA graph is captured."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized() or torch.cuda.is_current_stream_capturing():
        return None
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
