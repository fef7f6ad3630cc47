"""The recording of syncs, and the audits that each thread has open.

An audit covers the thread that opened it, and the autograd threads that work for that thread. A process-wide audit (the
command line's) covers every thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from ._events import UNKNOWN, Activity, Frame, Kind, Sink, Sync
from ._stacks import DEPTH, ignore_directory, user_frames


@dataclass(slots=True)
class ThreadState:
    """The audits and allow regions that one thread has open."""

    owner: int
    thread: str
    sinks: list[Sink] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    step: int = -1
    phase: str = ""


class _Local(threading.local):
    state: ThreadState | None = None


_local = _Local()
# One entry per open audit, instead of a counter with a lock, which a forked child or a signal handler could find held.
_open_audits: list[None] = []
_everywhere: list[Sink] = []
# Set by a back end, so that an autograd thread has the state of the thread that waits for it.
_publish: Callable[[ThreadState], None] | None = None
_inherited: Callable[[], ThreadState | None] | None = None


def connect(publish: Callable[[ThreadState], None], inherited: Callable[[], ThreadState | None], ignore: str) -> None:
    """Set the functions that pass thread states to autograd threads, and a directory that is not user code."""
    global _publish, _inherited
    _publish, _inherited = publish, inherited
    ignore_directory(ignore)


def is_active() -> bool:
    """Return whether any thread has an audit open; cheap, so back ends check it first."""
    return bool(_open_audits)


def thread_state() -> ThreadState:
    """Return the calling thread's own state, made on first use."""
    state = _local.state
    if state is None:
        state = _local.state = ThreadState(threading.get_ident(), _thread_name())
    if _publish is not None:
        _publish(state)
    return state


@contextmanager
def opened(sink: Sink) -> Iterator[None]:
    """Deliver this thread's syncs to ``sink``."""
    state = thread_state()
    if not state.sinks:
        state.step, state.phase = -1, ""
    state.sinks.append(sink)
    _open_audits.append(None)
    try:
        yield
    finally:
        _open_audits.pop()
        # By identity: reports may be equal, and audits may be closed in any order.
        state.sinks[:] = [other for other in state.sinks if other is not sink]


def open_everywhere(sink: Sink) -> None:
    """Deliver every thread's syncs to ``sink`` until the process ends."""
    _open_audits.append(None)
    _everywhere.append(sink)


@contextmanager
def allow(reason: str) -> Iterator[None]:
    """Allow the syncs of this thread in the block: they are listed with ``reason`` and do not count against a budget.

    Raises:
        ValueError: the reason is empty.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(f"allow() needs the reason why these syncs are intended, as a string; got {reason!r}")
    state = thread_state()
    state.allowed.append(reason)
    try:
        yield
    finally:
        state.allowed.pop()


def step(phase: str = "") -> None:
    """Mark the beginning of a step or phase in this thread; reports count syncs per step. Does nothing outside audits."""
    if not _open_audits:
        return
    state = thread_state()
    state.step += 1
    state.phase = phase
    for sink in (*state.sinks, *_everywhere):
        sink.begin_step(phase)


def record(kind: Kind, op: str, *, hard: bool = True, shape: tuple[int, ...] | None = None) -> None:
    """Deliver one sync to every audit that covers the calling thread."""
    state, sinks = _covering()
    if not sinks:
        return
    stack = _stack(state)
    sync = Sync(
        kind,
        op,
        hard,
        shape,
        stack,
        _thread_name() if state is None else state.thread,
        perf_counter(),
        -1 if state is None else state.step,
        "" if state is None else state.phase,
        state.allowed[-1] if state is not None and state.allowed else None,
    )
    for sink in sinks:
        sink.add(sync)


def note(what: str, op: str, bytes_: int = 0) -> None:
    """Deliver one activity to every audit that covers the calling thread."""
    state, sinks = _covering()
    if not sinks:
        return
    where = (*_stack(state, depth=1), UNKNOWN)[0]
    activity = Activity(what, op, where, state.phase if state is not None and state.step >= 0 else None)
    for sink in sinks:
        sink.note(activity, bytes_)


def _covering() -> tuple[ThreadState | None, list[Sink]]:
    """Return the state that the calling thread acts with, its own or that of the thread it works for, and the open audits."""
    state = _local.state
    if state is None or not (state.sinks or state.allowed):
        state = (_inherited() if _inherited is not None else None) or state
    return state, _everywhere if state is None else [*state.sinks, *_everywhere]


def _thread_name() -> str:
    """Return the calling thread's name; `threading.current_thread` would register a thread that Python did not start."""
    identifier = threading.get_ident()
    return next((thread.name for thread in threading.enumerate() if thread.ident == identifier), f"thread {identifier}")


def _stack(state: ThreadState | None, depth: int = DEPTH) -> tuple[Frame, ...]:
    """Return the user frames of the calling thread; for an autograd thread, of the thread that called ``backward()``."""
    own = user_frames(sys._getframe(2), depth)
    if own or state is None or state.owner == threading.get_ident():
        return own
    return user_frames(sys._current_frames().get(state.owner), depth)
