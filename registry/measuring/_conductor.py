"""The thread that switches a hook between blocks inside of a running program, and writes what its calls took.

The thread starts at the first call, also in a forked child. It switches, waits until a block has lasted long enough, and writes
a line for each round; it computes nothing while a block runs.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable

from .._errors import SyncfreeError
from .._instruments import Place
from .._log import log_of
from ._call_timer import CallTimer, PlaceTimer
from ._design import CONTROL, control, order_of
from ._order import Order

_POLL_SECONDS = 0.005


class Conductor:
    """Measures one hook: an `Instrument`.

    Args:
        order: what to measure.
        switch: switches the hook to a choice.
    """

    def __init__(self, order: Order, switch: Callable[[str], None]) -> None:
        self.order = order
        self._switch = switch
        self._timer = CallTimer(wake=self.start)
        self._running_in = 0
        self._start = threading.Lock()
        os.register_at_fork(after_in_child=self._in_child)

    def at(self, place: Place) -> PlaceTimer:
        """Return what times the calls of a place."""
        return self._timer.at(place)

    def start(self) -> None:
        """Start the thread of this process, once."""
        with self._start:
            if not self._running_in:
                self._running_in = os.getpid()
                self._timer.wake = None
                threading.Thread(target=self._run, name="syncfree-ab", daemon=True).start()

    def _in_child(self) -> None:
        self._running_in, self._start = 0, threading.Lock()
        self._timer.block, self._timer.wake = None, self.start

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
            self._timer.block = None

    def _rounds(self) -> itertools.chain[tuple[str, int]]:
        design = self.order.design
        equal = (("equal", number) for number in range(design.equal_rounds))
        return itertools.chain(equal, (("rounds", number) for number in range(design.most_rounds)))

    def _measured(self, choice: str) -> dict[str, dict[str, float]]:
        """Run one block; return its figures by target."""
        design = self.order.design
        self._switch(choice)
        fixed = control()
        self._timer.begin(choice)
        ends = time.perf_counter() + design.block_seconds
        fewest = design.warm_up + 2
        # At least one target has enough calls: a program that is idle is waited for.
        while time.perf_counter() < ends or not any(number >= fewest for number in self._timer.timed_calls().values()):
            time.sleep(_POLL_SECONDS)
            if self.order.is_stopped:
                break
        found = self._timer.end(design.warm_up)
        return {target: {CONTROL: fixed, **figures} for target, figures in found.items()}
