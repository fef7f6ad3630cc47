"""The command that puts load on a job while it is compared, and the figures that it prints.

A line of its output is a figure where it has the form ``syncfree time NAME=NUMBER`` (less is better) or ``syncfree rate
NAME=NUMBER`` (more is better), or matches an expression of the user, whose first group is the number. A figure counts for the
block in which its line was printed.
"""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import IO, TYPE_CHECKING, Literal

from .._errors import SelectionError
from .._text import clipped
from ._comparison import FIGURES, ComparisonError

if TYPE_CHECKING:
    from typing_extensions import Self

_PROTOCOL = re.compile(r"^syncfree (time|rate) ([A-Za-z]\w*)=(\S+)\s*$")
_SECONDS_TO_END = 10.0
_LINES_KEPT = 20

Kind = Literal["time", "rate"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A figure that a load prints: the first group of ``expression`` is a ``time`` or a ``rate``."""

    name: str
    kind: Kind
    expression: re.Pattern[str]


def parse_pattern(text: str, kind: Kind, option: str) -> Pattern:
    """Read ``NAME=REGEX``.

    Raises:
        SelectionError: it is not of this form, the name is one of ours, or the expression is wrong or has no group.
    """
    name, equals, expression = text.partition("=")
    if not equals or re.fullmatch(r"[A-Za-z]\w*", name) is None:
        raise SelectionError(f"{option} {clipped(text)!r} is not of the form NAME=REGEX, such as rps='throughput: ([0-9.]+)'")
    if name in FIGURES:
        raise SelectionError(f"{option}: {name} is a figure of syncfree ab itself; give another name")
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise SelectionError(f"{option}: {clipped(expression)!r} is not a regular expression: {error}") from error
    if not compiled.groups:
        raise SelectionError(f"{option}: {clipped(expression)!r} has no group around the number, as in 'throughput: ([0-9.]+)'")
    return Pattern(name, kind, compiled)


class Load:
    """A shell command that runs during a ``with`` block, again and again, or once for each call of `run`.

    Args:
        command: for ``/bin/sh``.
        patterns: what its figures look like, besides those of the protocol.
        once: run it only in `run`.
    """

    def __init__(self, command: str, patterns: Iterable[Pattern] = (), once: bool = False) -> None:
        self.command = command
        self.once = once
        self.runs = 0
        self._patterns = tuple(patterns)
        self._found: list[tuple[float, str, float]] = []
        self._last: deque[str] = deque(maxlen=_LINES_KEPT)
        self._unusable: dict[str, str] = {}
        self._problem = ""
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self.once:
            self._thread = threading.Thread(target=self._run_again_and_again, name="syncfree load", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        with self._starting:  # a process that runs already may not be known yet
            process = self._process
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process is None:
                break
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_END)
                break
        if self._thread is not None:
            self._thread.join(_SECONDS_TO_END)

    def start(self) -> None:
        """Begin one run, for `is_running` to wait for."""
        self._thread = threading.Thread(target=self._run_once, name="syncfree load", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Return whether the run that `start` began has not ended."""
        return self._thread is not None and self._thread.is_alive()

    def check(self) -> None:
        """Raise `ComparisonError` if a run failed."""
        if self._problem:
            said = " | ".join(line for line in self._last if line.strip())
            raise ComparisonError(f"the load {self._problem}: {self.command}" + (f"; its last lines: {said}" if said else ""))

    def unusable(self, name: str) -> str:
        """Return the last line whose figure of this name is no number above 0; empty where there is none."""
        return self._unusable.get(name, "")

    def figures(self, since: float, until: float) -> dict[str, float]:
        """Return the median of each figure printed in this time of `time.perf_counter`; of a rate, its reciprocal."""
        by_name: dict[str, list[float]] = {}
        for when, name, value in list(self._found):
            if since <= when <= until:
                by_name.setdefault(name, []).append(value)
        return {name: median(values) for name, values in by_name.items()}

    def _run_again_and_again(self) -> None:
        while not self._stopping.is_set() and not self._problem:
            self._run_once()

    def _run_once(self) -> None:
        with self._starting:
            if self._stopping.is_set():
                return
            try:
                # A group of its own: Ctrl-C goes to the command that compares, which ends the load last.
                process = subprocess.Popen(
                    ["/bin/sh", "-c", self.command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                self._problem = f"cannot be started ({error.strerror})"
                return
            self._process = process
        self.runs += 1
        began = time.perf_counter()
        if process.stdout is not None:
            self._read(process.stdout)
        status = process.wait()
        if status != 0 and not self._stopping.is_set():
            self._problem = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        elif not self.once and time.perf_counter() - began < 0.1:
            self._stopping.wait(0.1)  # a command that does nothing is not started thousands of times

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._last.append(line.rstrip("\n"))
                for name, kind, number in self._matches(line):
                    value = _positive(number)
                    if value is None:
                        self._unusable[name] = clipped(line.strip())
                    else:
                        self._found.append((time.perf_counter(), name, value if kind == "time" else 1 / value))

    def _matches(self, line: str) -> list[tuple[str, str, str | None]]:
        found: list[tuple[str, str, str | None]] = [
            (pattern.name, pattern.kind, match[1]) for pattern in self._patterns if (match := pattern.expression.search(line))
        ]
        if of_protocol := _PROTOCOL.match(line):
            found.append((of_protocol[2], of_protocol[1], of_protocol[3]))
        return found


def _positive(text: str | None) -> float | None:
    """Return a finite number above 0 whose reciprocal is one, too; None for any other text, and for a group that took no part."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 < value < math.inf and 1 / value < math.inf else None
