"""One outcome for all processes of a toggle. Whoever proposes first decides for all.

Among the processes of one run directory it is a symbolic link there, whose target is the outcome: the kernel makes it in one
step or says that it exists. Among machines it is a value in the job's store, which the store's server sets in one step or
returns. Nobody needs to be alive for the others to read it, and nobody can change it: a command that is killed, a process that
is stopped and goes on later, and one whose time is over all find the same.

A process that is no rank, such as vLLM's API server, has no store; it asks a rank of its machine, and so does the command.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ._client import connect
from ._directory import Entry
from ._link import LinkError
from ._store import JobStore, outcome_key

COMMIT = "commit"
ABORT = "abort"

_NAME = re.compile(r"toggle-[0-9a-f]{16}", re.ASCII)
_SECONDS_KEPT = 24 * 3600.0
"""A process that is stopped in the middle of a toggle may ask so much later."""
_SECONDS_TO_ASK = 2.0


class Unknown(LinkError):
    """The outcome is not known here, because whoever knows it cannot be reached."""


class Place(Protocol):
    """The place where the decision of a toggle is made."""

    def decide(self, outcome: str) -> str:
        """Propose an outcome; return the one that counts.

        Raises:
            Unknown: nobody can say.
        """
        ...


class InDirectory:
    """A decision of the processes of one run directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    def decide(self, outcome: str) -> str:
        """See `Place`; where nothing can be written, nobody can commit.

        Raises:
            Unknown: to commit is proposed, and cannot be written.
        """
        path = os.path.join(self._directory, self._name)
        try:
            os.symlink(outcome, path)
        except OSError as error:
            if os.path.lexists(path):
                return os.readlink(path)
            if outcome == COMMIT:
                raise Unknown(f"{self._directory}: {error.strerror}") from error
            return ABORT
        return outcome


class InStore:
    """A decision of the ranks of several machines."""

    def __init__(self, store: JobStore, name: str) -> None:
        self._store = store
        self._name = name

    def decide(self, outcome: str) -> str:
        """See `Place`."""
        try:
            return self._store.settle(outcome_key(self._name), outcome)
        except LinkError as error:
            raise Unknown(str(error)) from error


class AtRanks:
    """A decision in the job's store, for a process that has none: it asks these ranks, one after the other."""

    def __init__(self, ranks: Sequence[Entry], name: str) -> None:
        self._ranks = ranks
        self._name = name

    def decide(self, outcome: str) -> str:
        """See `Place`."""
        reasons = []
        for entry in self._ranks:
            try:
                link = connect(entry, _SECONDS_TO_ASK)
                if link is None:
                    reasons.append(f"pid {entry.pid} has ended")
                    continue
                try:
                    link.send({"ask": "decide", "decision": self._name, "outcome": outcome}, _SECONDS_TO_ASK)
                    answer = link.receive(_SECONDS_TO_ASK)
                finally:
                    link.close()
            except LinkError as error:
                reasons.append(f"pid {entry.pid}: {error}")
                continue
            if answer is not None and answer.get("outcome") in (COMMIT, ABORT):
                return str(answer["outcome"])
            reasons.append(f"pid {entry.pid}: {(answer or {}).get('error', 'it closed the connection')}")
        raise Unknown("; ".join(reasons))


def new_decision() -> str:
    """Return the name of a decision that nobody has made."""
    return f"toggle-{os.urandom(8).hex()}"


def is_decision(name: object) -> bool:
    """Return whether this is the name of a decision."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def forget_old_decisions(directory: Path) -> None:
    """Remove the decisions that nobody can be waiting for any more."""
    with suppress(OSError):
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if is_decision(name) and time.time() - os.lstat(path).st_mtime > _SECONDS_KEPT:
                os.unlink(path)
