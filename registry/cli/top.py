"""``syncfree top``: `ps`, shown again every second, with the course of each hook's calls."""

from __future__ import annotations

import os
import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size
from typing import Any

import typer

from ..control._client import Process
from ._output import is_read, is_redrawable, print_line, print_table, screen
from ._processes import asked, by_job
from .ps import COLUMNS, rates_of, rows, title

_NOTHING = "no process of yours with syncfree can be reached"
_BARS = " ▁▂▃▄▅▆▇█"
_COLUMNS = (*COLUMNS[:-1], "course")
_BESIDE = 72
"""Columns that the widest names take beside the course."""

Course = dict[tuple[Any, str], "deque[float]"]
"""Calls per second at the latest looks, by process and hook."""


def top_command(
    seconds: float = typer.Option(1.0, min=0.1, max=60.0, help="Seconds between two looks."),
    looks: int | None = typer.Option(None, min=1, help="End after so many looks; by default, q or Ctrl-C ends it."),
) -> None:
    """Keep showing the processes in which hooks are loaded: choices, calls per second and their course. q quits.

    Without a terminal, or on one that cannot be redrawn (TERM=dumb), each look is printed as plain text.
    """
    watch = _Watch(seconds)
    try:
        if not (sys.stdout.isatty() and sys.stdin.isatty()):
            for _ in _looks(looks, lambda: not is_read() or _slept(seconds)):
                _print(watch.look())
            return
        with _keys() as pressed:
            if not is_redrawable():
                for _ in _looks(looks, lambda: pressed(seconds)):
                    _print(watch.look())
                return
            with screen(_COLUMNS) as show:
                for _ in _looks(looks, lambda: pressed(seconds)):
                    show(watch.look() or [(_NOTHING, [])], "q quits")
    except KeyboardInterrupt:
        return


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _looks(number: int | None, wait: Callable[[], bool]) -> Iterator[int]:
    """Yield the numbers of the looks, with a wait between two of them, which ends all when it returns True."""
    look = 0
    while number is None or look < number:
        if look and wait():
            return
        yield look
        look += 1


Shown = list[tuple[str, list[tuple[str, ...]]]]
"""A title and rows for each job."""


class _Watch:
    """Earlier samples, for rates and courses."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: dict[Any, dict[str, Any]] = {}
        self._at = 0.0
        self._course: Course = {}

    def look(self) -> Shown:
        now = time.monotonic()
        processes, _ = asked(max(self._seconds, 0.5))
        passed = max(now - self._at, 0.001)
        shown = [
            (title(job, of), [row for process in of for row in self._rows(process, passed)])
            for job, of in by_job(processes).items()
        ]
        self._before = {process.entry: process.report for process in processes if process.report is not None}
        self._at = now
        return shown

    def _rows(self, process: Process, passed: float) -> list[tuple[str, ...]]:
        of_hooks = rates_of(self._before.get(process.entry), process, passed)
        width, courses = min(30, max(8, get_terminal_size().columns - _BESIDE)), []
        for hook in of_hooks:
            course = self._course.setdefault((process.entry, hook.hook), deque(maxlen=width))
            course.append(hook.calls)
            courses.append(sparkline(course))
        plain = rows(process, of_hooks)
        drawn = ["", *courses, *[""] * len(plain)]  # the first row names the process
        return [(*row[:-1], course) for row, course in zip(plain, drawn, strict=False)]


def sparkline(values: deque[float]) -> str:
    """Return values as bars between zero and the greatest of them."""
    greatest = max(values, default=0.0)
    if not greatest:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(int(value / greatest * (len(_BARS) - 1) + 0.5), len(_BARS) - 1)] for value in values)


def _print(shown: Shown) -> None:
    for heading, of in shown:
        print_table(_COLUMNS, of, heading)
    if not shown:
        print_line(_NOTHING)


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Read single keys from the terminal; yields what waits so many seconds and returns whether q was pressed."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0] and os.read(descriptor, 1) in (b"q", b"Q", b""):
                return True
        return False

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
