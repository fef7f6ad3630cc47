"""Child processes of the demos. Where one fails, the demo ends with the child's own last sentence."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.environments import BuildError

_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit|Race|Exceeded)\b.*", re.MULTILINE)
"""The line of a traceback that names the exception."""


def printed_by(module: str, *arguments: str) -> str:
    """Run a module under this Python and return what it printed. Ends this process if it fails."""
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode != 0:
        sys.exit(f"{' '.join(command[3:])}: {last_sentence(finished.stderr) or _status(finished.returncode)}")
    return finished.stdout


def last_sentence(text: str) -> str:
    """The last exception that a log names, with its message; where it names none, its last line."""
    named = list(_ERROR.finditer(text))
    return text[named[-1].start() :].strip() if named else "".join(text.strip().splitlines()[-1:])


def _status(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code} and said nothing"


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Leave the block when this process gets SIGTERM, so that what was started inside is ended; a second SIGTERM is ignored then."""

    def leave(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` and `make` may each send one: the end must not be interrupted
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def failures_in_words(what: str) -> Iterator[None]:
    """End this process with one sentence where an environment cannot be made or an engine fails inside the block."""
    try:
        yield
    except BuildError as error:
        sys.exit(f"{what}: {error}")
    except AssertionError as error:  # what starts an engine asserts that it ends well, and shows its log otherwise
        sys.exit(f"{what}: {last_sentence(str(error))}")
