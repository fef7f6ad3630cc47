"""Run the process of a situation under a watchdog, and read what it wrote down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .installation import Installation, variables

SECONDS = 60.0
"""The time after which a situation counts as hanging; the slowest takes three seconds, and ten times that on a busy machine."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended.

    Attributes:
        code: its exit status.
        facts: what it wrote down; None when it did not get so far.
        stacks: where its threads stood when the watchdog ended it; empty when it did not hang.
    """

    code: int
    facts: dict[str, Any] | None
    out: str
    err: str
    stacks: str

    def __str__(self) -> str:
        return f"status {self.code}, facts {json.dumps(self.facts)}\n{self.out[-1500:]}\n{self.err[-4000:]}\n{self.stacks[-6000:]}"


def run(
    installation: Installation,
    folder: Path,
    program: str,
    *,
    options: Sequence[str] = (),
    command: Sequence[str] | None = None,
    cwd: Path | None = None,
    seconds: float = SECONDS,
    **environment: str,
) -> Ended:
    """Run a program of a situation in an installation; `command` instead of ``python -c`` when there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(installation.python), *options, *(command or ("-c", textwrap.dedent(program)))]
    return finished(words, folder, variables(folder, **environment), cwd or folder, seconds)


def finished(words: Sequence[str], folder: Path, environment: dict[str, str], cwd: Path, seconds: float) -> Ended:
    """Run a command in a session of its own; end all of it when it takes too long."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            words, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            code, stacks = process.wait(seconds), ""
        except subprocess.TimeoutExpired:
            code, stacks = -signal.SIGKILL, _asked_where(process, folder / "stacks")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    facts = _text(folder / "facts.json")
    return Ended(code, json.loads(facts) if facts else None, _text(folder / "out"), _text(folder / "err"), stacks)


def _asked_where(process: subprocess.Popen[bytes], stacks: Path) -> str:
    """Return where the threads of a process that hangs stand."""
    process.send_signal(signal.SIGUSR2)
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)  # it ends by the signal when it hangs before it can answer
    return _text(stacks) or "it hangs before it can say where"


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.exists() else ""
