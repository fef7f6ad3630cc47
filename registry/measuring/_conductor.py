"""The instrument that measures a hook inside of a running program, and the thread that switches its choice between blocks.

The thread starts at the first call, also in a forked child. It switches, waits until a block has lasted long enough, and writes
a line for each round; it computes nothing while a block runs. A call is measured if the choice that it ran with is that of the
current block, so a call that a switch overtakes belongs to no block. Of many calls only each ``every``-th is timed, so that the
clock does not change what is measured.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .._errors import SyncfreeError
from .._instruments import Place, is_traced_function
from .._log import log_of
from .._plugins import Implementation
from .._select import UPSTREAM
from ._design import CONTROL, control, order_of
from ._order import Order

_SAMPLES = 256
"""Timed calls of a block, about."""
_POLL_SECONDS = 0.005


@dataclass(slots=True)
class _Timed:
    """A timed call: nanoseconds on the host's clock, and CUDA events around it."""

    start: int
    end: int
    events: tuple[Any, Any] | None


@dataclass(slots=True)
class _Block:
    choice: str
    calls: dict[str, list[_Timed]] = field(default_factory=dict)


class Conductor:
    """Measures one hook: an `Instrument`.

    Args:
        order: what to measure.
        switch: switches the hook to a choice.
    """

    def __init__(self, order: Order, switch: Callable[[str], None]) -> None:
        self.order = order
        self.block: _Block | None = None
        self.every = 1
        self._switch = switch
        self._probes: dict[str, PlaceTimer] = {}
        self._running_in = 0
        self._start = threading.Lock()
        os.register_at_fork(after_in_child=self._in_child)

    def at(self, place: Place) -> PlaceTimer:
        """Return what times the calls of a place."""
        return self._probes.setdefault(place.target, PlaceTimer(self, place))

    def start(self) -> None:
        """Start the thread of this process, once."""
        with self._start:
            if not self._running_in:
                self._running_in = os.getpid()
                threading.Thread(target=self._run, name="syncfree-ab", daemon=True).start()

    @property
    def is_started(self) -> bool:
        """Whether the thread was started in this process."""
        return self._running_in != 0

    def _in_child(self) -> None:
        self.block, self._running_in, self._start = None, 0, threading.Lock()

    def _run(self) -> None:
        order = self.order
        path = os.path.join(order.folder, f"{os.getpid()}.jsonl")
        try:
            with open(path, "a", encoding="utf-8", buffering=1) as file:
                for phase, number in self._rounds():
                    sides = order_of(number)
                    choices = [order.b if side == "B" and phase == "rounds" else order.a for side in sides]
                    blocks = [self._measured(choice) for choice in choices]
                    if order.is_stopped:
                        break
                    file.write(json.dumps({"phase": phase, "order": sides, "blocks": blocks}) + "\n")
        except SyncfreeError as error:
            log_of().error("syncfree: %s is not measured any longer: %s", order.hook, error)
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"error": str(error)}) + "\n")
        except OSError as error:
            log_of().error("syncfree: %s is not measured any longer: %s", order.hook, error)
        finally:
            self.block = None

    def _rounds(self) -> itertools.chain[tuple[str, int]]:
        design = self.order.design
        equal = (("equal", number) for number in range(design.equal_rounds))
        return itertools.chain(equal, (("rounds", number) for number in range(design.most_rounds)))

    def _measured(self, choice: str) -> dict[str, dict[str, float]]:
        """Run one block; return its figures by target."""
        design = self.order.design
        self._switch(choice)
        fixed = control()
        block = self.block = _Block(choice)
        ends = time.perf_counter() + design.block_seconds
        fewest = design.warm_up + 2
        # At least one target has enough calls: a program that is idle is waited for.
        while time.perf_counter() < ends or not any(len(calls) >= fewest for calls in list(block.calls.values())):
            time.sleep(_POLL_SECONDS)
            if self.order.is_stopped:
                break
        self.block = None
        most = max((len(calls) for calls in list(block.calls.values())), default=0) * self.every
        found = {target: self._figures(calls[design.warm_up :], fixed) for target, calls in list(block.calls.items())}
        self.every = max(1, most // _SAMPLES)
        return {target: figures for target, figures in found.items() if figures}

    def _figures(self, calls: list[_Timed], fixed: float) -> dict[str, float]:
        if len(calls) < 2:
            return {}
        found = {CONTROL: fixed, "host": median(call.end - call.start for call in calls) / 1e9}
        found["step"] = (calls[-1].start - calls[0].start) / 1e9 / (len(calls) - 1) / self.every
        events = [call.events for call in calls if call.events is not None and call.events[1].query()]
        if events:
            found["device"] = median(start.elapsed_time(end) for start, end in events) / 1e3
        return found


class PlaceTimer:
    """Times the calls of one target: a `Probe`."""

    def __init__(self, conductor: Conductor, place: Place) -> None:
        self._conductor = conductor
        self._place = place
        self._numbers = itertools.count()

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Leave it alone: the adapter's translation is part of the cost."""
        return function

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Time the replacement, or upstream. A declined call is not measured."""
        conductor, target, next_number = self._conductor, self._place.target, self._numbers.__next__
        choice = UPSTREAM if implementation is None else implementation.plugin
        is_traced = is_traced_function() or (lambda: False)

        @functools.wraps(replacement)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if is_traced():
                return replacement(*args, **kwargs)
            if not conductor.is_started:
                conductor.start()
            block = conductor.block
            if block is None or block.choice != choice or next_number() % conductor.every:
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


def _events() -> tuple[Any, Any] | None:
    """Return two CUDA events; None without a GPU that this process uses, and while a CUDA graph is captured."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized() or torch.cuda.is_current_stream_capturing():
        return None
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
