"""Run a command in a terminal of 80 columns, as a reader does, and return what it shows."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path

COLUMNS, ROWS = 80, 50
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(command: str, cwd: Path, environ: Mapping[str, str], seconds: float = 600) -> str:
    """Return the output of a command of bash, standard error included, without colours, with one newline per line.

    Raises:
        TimeoutError: it ran for longer than `seconds`; it is killed.
    """
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    variables = {**environ, "COLUMNS": str(COLUMNS), "TERM": "dumb", "NO_COLOR": "1"}
    run = subprocess.Popen(
        ["bash", "-c", command], cwd=cwd, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        text = _read(ours, time.monotonic() + seconds)
        run.wait()
    except TimeoutError:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        raise
    finally:
        os.close(ours)
    return _ESCAPE.sub("", text.decode().replace("\r\n", "\n"))


def _read(terminal: int, deadline: float) -> bytes:
    """Read until every process has closed the terminal."""
    text = b""
    while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            text += os.read(terminal, 65536)
        except OSError:  # EIO: nobody has the other side open
            return text
    raise TimeoutError(f"the command did not end in time; it printed:\n{text.decode(errors='replace')}")
