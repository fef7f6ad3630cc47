"""The checks of many calls: from several threads at once, and of memory that is kept."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from .._difference import difference
from .._errors import SyncfreeError, describe_error
from ._calls import Arguments, Call, Caller, Finding

THREADS = 4
CALLS_PER_THREAD = 50
CALLS = 10_000
WARM_CALLS = 2_000
KEPT_BYTES = 32
"""Bytes that a call may keep on average: allocators keep some for themselves."""
SAMPLES = 8
_TORCH = str(Path(torch.__file__).parent)


def threads(caller: Caller) -> Finding | None:
    """Fail when calls from several threads at once do something else than the same calls one after the other."""
    samples = caller.samples(SAMPLES)
    alone = [caller.run(_call(caller, arguments)) for arguments in samples]
    prepared = [
        [(index % len(samples), _call(caller, samples[index % len(samples)])) for index in range(first, first + CALLS_PER_THREAD)]
        for first in range(THREADS if samples else 0)
    ]
    start = threading.Barrier(THREADS)

    def work(calls: list[tuple[int, Call]]) -> None:
        start.wait()
        sys.settrace(_tracing)
        for _, made in calls:
            try:
                made.result = caller.function(*made.own.values())
            except BaseException as error:  # noqa: BLE001 - it is the finding, below
                made.error = error
        sys.settrace(None)

    started = [threading.Thread(target=work, args=(calls,), daemon=True) for calls in prepared]
    for thread in started:
        thread.start()
    deadline = time.monotonic() + CALLS_PER_THREAD * caller.limit
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in started):
        return Finding(f"calls of {THREADS} threads at once did not return, although each alone does")
    for index, made in (one for calls in prepared for one in calls):
        problem = _other(caller, made, alone[index])
        if problem:
            return Finding(f"called by {THREADS} threads at once, {problem} (expected: what the same call does alone)", made.before)
    return None


def memory(caller: Caller) -> Finding | None:
    """Fail when memory grows with the number of calls, repeated calls with a few arguments."""
    samples = caller.samples(SAMPLES)
    if not samples:
        return None
    kept = [_call(caller, arguments) for arguments in samples]

    def call(number: int) -> None:
        # A pure hook leaves its arguments as they are.
        made = kept[number % len(kept)] if caller.hook.pure else _call(caller, samples[number % len(samples)])
        caller.function(*made.own.values())

    grown, calls = _growth(call, 10 * caller.limit)
    if grown <= KEPT_BYTES * calls:
        return None
    return Finding(f"it keeps {grown / calls:.0f} bytes per call, over {calls} calls{_keeper(call)}", samples[0])


def _call(caller: Caller, arguments: Arguments) -> Call:
    return Call(arguments, caller.fresh(arguments), {})


def _other(caller: Caller, made: Call, alone: Call) -> str | None:
    """Return how a call differs from the same one alone."""
    if alone.error is not None:
        return None
    if made.error is not None:
        return f"it raises {describe_error(made.error)}"
    found = difference(made.result, alone.result, caller.tolerance)
    for name in caller.hook.writes:
        found = found or difference(made.own[name], alone.own[name], caller.tolerance, f"argument {name!r} afterwards")
    return found


def _tracing(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
    """Trace the lines of every function but torch's own."""
    return None if frame.f_code.co_filename.startswith(_TORCH) else _yielding


def _yielding(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
    """Let other threads run before every line: left alone, Python seldom switches within one call."""
    if event == "line":
        time.sleep(1e-6)
    return _yielding


def _growth(call: Callable[[int], None], seconds: float) -> tuple[int, int]:
    """Return by how many bytes memory grew over how many calls: `CALLS` in all, fewer where they take too long."""
    end = time.monotonic() + seconds
    _repeat(call, WARM_CALLS, end)
    before = _used()
    calls = _repeat(call, CALLS - WARM_CALLS, end + seconds)
    return _used() - before, calls


def _repeat(call: Callable[[int], None], count: int, end: float) -> int:
    """Call until there are ``count`` calls, or 100 and no time left; return how many."""
    for number in range(count):
        if number >= 100 and time.monotonic() > end:
            return number
        call(number)
    return count


def _keeper(call: Callable[[int], None]) -> str:
    """Return the line of Python whose objects grow most, for the message; nothing where none does."""
    tracemalloc.start()
    try:
        first = tracemalloc.take_snapshot()
        _repeat(call, 500, float("inf"))
        gc.collect()
        found = tracemalloc.take_snapshot().compare_to(first, "lineno")
    finally:
        tracemalloc.stop()
    ours = [one for one in found if one.size_diff > 0 and one.traceback[0].filename not in (__file__, tracemalloc.__file__)]
    if not ours:
        return ""
    frame = ours[0].traceback[0]
    return f"; objects that are kept are made at {frame.filename}:{frame.lineno}"


def _used() -> int:
    """Return the bytes in use in this process: of the C allocator, which has tensors, and of Python's own."""
    gc.collect()
    information = _mallinfo()
    # A block of Python's own is 16 bytes at least.
    return int(information.uordblks + information.hblkhd + 16 * sys.getallocatedblocks())


_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def _mallinfo() -> _Mallinfo:
    try:
        function = ctypes.CDLL(None).mallinfo2
    except AttributeError as error:
        raise SyncfreeError("memory is measured with mallinfo2 of glibc 2.33 or newer, which this system lacks") from error
    function.restype = _Mallinfo
    found: _Mallinfo = function()
    return found
