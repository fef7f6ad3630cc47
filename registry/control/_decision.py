"""One outcome for all processes of a toggle: a symbolic link in the run directory, whose target is the outcome.

The kernel makes a symbolic link in one step or says that it exists, so whoever proposes first decides for all. Nobody needs to
be alive for the others to read it, and nobody can change it: a command that is killed, a process that is stopped and goes on
later, and one whose time is over all find the same.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

COMMIT = "commit"
ABORT = "abort"

_NAME = re.compile(r"toggle-[0-9a-f]{16}", re.ASCII)
_SECONDS_KEPT = 24 * 3600.0
"""A process that is stopped in the middle of a toggle may ask so much later."""


def new_decision() -> str:
    """Return the name of a decision that nobody has made."""
    return f"toggle-{os.urandom(8).hex()}"


def is_decision(name: object) -> bool:
    """Return whether this is the name of a decision."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def decide(directory: Path, name: str, outcome: str) -> str:
    """Propose an outcome; return the one that counts. Where nothing can be written, nobody can commit: that aborts."""
    path = os.path.join(directory, name)
    try:
        os.symlink(outcome, path)
    except OSError:
        try:
            return os.readlink(path)
        except OSError:
            return ABORT
    return outcome


def forget_old_decisions(directory: Path) -> None:
    """Remove the decisions that nobody can be waiting for any more."""
    with suppress(OSError):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if is_decision(name) and time.time() - os.lstat(path).st_mtime > _SECONDS_KEPT:
                os.unlink(path)
