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
        allowed = START_S + CALLS_PER_ORDER * self._settings.limit
        line = self._line(time.monotonic() + allowed)
        if line is None:
            return _failed(f"no answer within {allowed:g} s; the process was killed", self._end(kill=True))
        if not line:
            problem = f"the process ended with {self._status()}, or a call did not return and no signal could end it"
            return _failed(problem, self._end(kill=False))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end(kill=True)

    def _line(self, deadline: float) -> str | None:
        """Return the next line, an empty one where the process has ended, None where there is none in time."""
        ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
        return self._answers.readline() if ready else None

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

    def _status(self) -> str:
        assert self._process is not None
        status = self._process.wait()
        return f"signal {-status}" if status < 0 else f"status {status}"

    def _end(self, kill: bool) -> str:
        """End the process and return the end of what it wrote."""
        assert self._process is not None
        if kill:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the ranks that it started are in its group
        self._process.wait()
        self._process = None
        for pipe in (self._orders, self._answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        with self._output as output:
            output.seek(0)
            return output.read().decode(errors="replace")[-_LONGEST:]


# sys.path first, so that it finds this package and the plugin where pytest does.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from syncfree.kit._worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


def _failed(problem: str, output: str) -> dict[str, Any]:
    return {"outcome": "failed", "problem": f"{problem}; its output:\n{output}" if output.strip() else problem}
