"""``SYNCFREE_REPORT=1``: what this process called of each hook, and what was never bound, on standard error when it ends."""

from __future__ import annotations

import atexit
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator

from ._plan import Plan

_pid: int | None = None
"""The process whose report is registered; a forked child inherits the registration and reports its own."""


def report_at_exit(plan: Callable[[], Plan]) -> None:
    """Print the report when the interpreter ends, once per process. Nothing is printed where a process ends without that.

    Such are ``os._exit``, as in children of `multiprocessing` that are terminated, and signals that Python does not handle.
    """
    global _pid
    if _pid is None:
        atexit.register(_print, plan)
    _pid = os.getpid()


def _print(plan: Callable[[], Plan]) -> None:
    text = "".join(f"syncfree: pid {os.getpid()}: {line}\n" for line in lines(plan()))
    if sys.stderr is not None:
        sys.stderr.write(text)  # in one piece: other processes write there, too


def lines(plan: Plan) -> Iterator[str]:
    """Yield a line for each hook and choice that was called, and one for the bindings that never took effect."""
    calls: Counter[tuple[str, str]] = Counter()
    declines: Counter[tuple[str, str]] = Counter()
    for entry in plan:
        for of_target in entry.counts.values():
            for choice, counts in of_target.items():
                calls[entry.hook, choice] += counts.calls
                declines[entry.hook, choice] += counts.declines
    for (hook, choice), number in calls.items():
        if number:
            yield f"{hook}={choice}: {number} calls, {declines[hook, choice]} declined to upstream"
    never_called = {entry.hook for entry in plan if entry.state == "bound"} - {hook for (hook, _), n in calls.items() if n}
    if never_called:
        yield f"bound and never called: {', '.join(sorted(never_called))}"
    waiting = Counter(entry.hook for entry in plan if entry.state == "waiting")
    if waiting:
        places = ", ".join(f"{hook} ({number})" for hook, number in sorted(waiting.items()))
        yield f"never bound, because the module was not imported (places): {places}"
    for entry in plan:
        if entry.state == "refused":
            yield f"refused: {entry.hook}: {entry.reason}"
