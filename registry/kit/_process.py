"""The pytest side of the processes in which a plugin is checked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ._checks import Place

CALLS_PER_ORDER = 30
"""One order may take this many time limits of one call."""
START_S = 120
"""More, for importing torch and the plugin on a busy machine."""
_LOOK_S = 1.0
"""How often the pytest side looks whether a process has ended whose pipe is still open."""
_LONGEST = 2000


@dataclass(frozen=True)
class Settings:
    """The message to every process.

    Attributes:
        plugin: an installed plugin's name, or ``"package.module:object"``.
        limit: seconds that one call of an implementation may take.
        examples: how many calls a check generates.
        folder: the folder that pytest was started in; modules there can be imported, after all others.
    """

    plugin: str
    limit: float
    examples: int
    folder: Path


class Process:
    """One process that runs orders, started with the first one, and again after it has ended."""

    def __init__(self, settings: Settings, where: Place) -> None:
        self._settings = settings
        self._where = where
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: IO[str]
        self._answers: IO[str]
        self._output: IO[bytes]

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an order; where there is none in time, or the process ends, that is the failure."""
        if self._process is None:
            self._start()
        with contextlib.suppress(BrokenPipeError):  # it has ended, which the missing answer shows
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
        allowed = START_S + (CALLS_PER_ORDER if order else 1) * self._settings.limit  # an empty order only imports the plugin
        deadline = time.monotonic() + allowed
        line = self._line(deadline)
        if line is None or not self._answers_or_ends(line, deadline):
            _, output = self._end()
            return _failed(f"no answer within {allowed:g} s; the process was killed", output)
        if not line.endswith("\n"):
            status, output = self._end()
            ended = f"signal {-status}" if status < 0 else f"status {status}"
            return _failed(f"the process ended with {ended}, or a call did not return and no signal could end it", output)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end()

    def _line(self, deadline: float) -> str | None:
        """Return the next line, one without an end where the process has ended or closed the pipe, None where there is none in time."""
        while True:
            ended = self._has_ended()  # before the look: what it wrote before its end is read
            if select.select([self._answers], [], [], 0.0 if ended else min(_LOOK_S, max(0.0, deadline - time.monotonic())))[0]:
                return self._answers.readline()
            if ended:  # and what it started holds the pipe open
                return ""
            if time.monotonic() >= deadline:
                return None

    def _answers_or_ends(self, line: str, deadline: float) -> bool:
        """Return whether a line is an answer, or else whether the process ends in time: it may have closed the pipe and go on."""
        while not line.endswith("\n") and not self._has_ended():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True

    def _has_ended(self) -> bool:
        assert self._process is not None
        # It stays a zombie, so that its process group, which `_end` kills, is not another one's by then.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _start(self) -> None:
        orders, to_it = os.pipe()
        from_it, answers = os.pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `_end` closes it
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(orders), str(answers), json.dumps([*sys.path, str(self._settings.folder)])],
            pass_fds=(orders, answers),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=os.environ | {"SYNCFREE": "off"},  # nothing is bound: a framework's functions are its own
            start_new_session=True,
        )
        os.close(orders)
        os.close(answers)
        self._orders, self._answers = os.fdopen(to_it, "w"), os.fdopen(from_it)
        start = {
            "plugin": self._settings.plugin,
            "where": self._where,
            "limit": self._settings.limit,
            "examples": self._settings.examples,
        }
        self._orders.write(json.dumps(start) + "\n")

    def _end(self) -> tuple[int, str]:
        """End the process and all that it started; return its status and the end of what it wrote."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the ranks that it started, and what a plugin forked, are in its group
        status = self._process.wait()
        self._process = None
        for pipe in (self._orders, self._answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        with self._output as output:
            output.seek(0)
            return status, output.read().decode(errors="replace")[-_LONGEST:]


# sys.path first, so that it finds this package and the plugin where pytest does.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from syncfree.kit._worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def _failed(problem: str, output: str) -> dict[str, Any]:
    return {"outcome": "failed", "problem": f"{problem}; its output:\n{output}" if output.strip() else problem}
