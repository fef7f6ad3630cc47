"""Hold the calls of hooks in lockstep at one call, so that every rank changes its choice between the same two calls.

While a toggle is being agreed on, a gate is what the slots call: it counts the calls that begin, and holds every call from a
given one on. Ranks make the same calls in the same order, so the number of calls since the hooks were bound says where a rank
is; what was captured by torch.compile or a CUDA graph is not counted on any rank. A rank stands still at call n when n calls
have begun, none of them outside the gate is under way, and the gate holds the next. When all ranks stand still at the same n,
none has sent anything of call n, and each may change.

Waiting here takes no rank's time that the collective would not take: a rank that arrives first waits for the last one anyway.
Before and after a toggle, slots hold no gate.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

from .._slot import Current, Slot

_installed: set[Gate] = set()


@dataclass(frozen=True, slots=True)
class Standing:
    """The position of a rank.

    Attributes:
        calls: how many calls have begun.
        inside: how many threads are in one of them, other than those that the gate holds.
        held: how many threads the gate holds.
    """

    calls: int
    inside: int
    held: int

    def as_dict(self) -> dict[str, int]:
        """Return it as JSON-serializable data."""
        return asdict(self)


class Gate:
    """The gate of one toggle in front of some slots."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = tuple(slots)
        self._before: dict[Slot, Current] = {}
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self._first_held: int | None = None
        self._held: set[int] = set()

    def install(self) -> None:
        """Put the gate into the slots; it counts, and holds nothing yet. No other change may come before `remove` or `open`."""
        _installed.add(self)
        for slot in self._slots:
            self._before[slot] = slot.current
        for slot in self._slots:
            slot.current = (_uncounted, self._in_front_of(slot), _uncounted)

    def hold(self, call: int) -> None:
        """Hold calls from this one on (the first is 0), instead of from an earlier or later one."""
        with self._lock:
            self._first_held = call
            if self._held and self._calls() < call:
                opened, self._opened = self._opened, threading.Event()
                opened.set()  # they look again

    def remove(self) -> None:
        """Put back what the slots called before."""
        for slot, current in self._before.items():
            slot.current = current

    def open(self) -> None:
        """Release the calls that are held; they are made by what their slot has now."""
        with self._lock:
            self._first_held = None
            self._before.clear()
            self._opened.set()
        _installed.discard(self)

    def standing(self) -> Standing:
        """Return where this process is."""
        with self._lock:
            calls, held = self._calls(), set(self._held)
        codes = {id(slot.bound.__code__) for slot in self._slots}  # functions of equal parameters have equal code
        inside = sum(_runs(frame, codes) for thread, frame in sys._current_frames().items() if thread not in held)
        return Standing(calls, inside, len(held))

    def _calls(self) -> int:
        return sum(counts.calls for slot in self._slots for counts in slot.counts().values())

    def _in_front_of(self, slot: Slot) -> Callable[..., Any]:
        def gated(*arguments: Any, **named: Any) -> Any:
            replacement, declined = self._enter(slot)
            result = replacement(*arguments, **named)
            if result is NotImplemented:
                declined()
            return result

        return gated

    def _enter(self, slot: Slot) -> tuple[Callable[..., Any], Callable[[], int]]:
        """Wait while the gate holds this call, and count it; return what makes the call and what counts that it declines."""
        thread = threading.get_ident()
        while True:
            with self._lock:
                opened = self._opened
                if self._first_held is None or self._calls() < self._first_held:
                    self._held.discard(thread)
                    count, replacement, declined = self._before.get(slot) or slot.current
                    count()
                    return replacement, declined
                self._held.add(thread)
            opened.wait()


def _runs(frame: FrameType | None, codes: set[int]) -> bool:
    """Return whether a thread is in a call of one of these codes."""
    while frame is not None:
        if id(frame.f_code) in codes:
            return True
        frame = frame.f_back
    return False


def _uncounted() -> int:
    """Count nothing: the gate counts the calls that it lets through."""
    return 0


def _in_child() -> None:
    # A forked child has no thread that would ever open them.
    for gate in list(_installed):
        gate._lock = threading.Lock()
        gate.remove()
        gate.open()


os.register_at_fork(after_in_child=_in_child)
