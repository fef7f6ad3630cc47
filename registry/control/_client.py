"""Find the processes that can be reached, and ask them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._directory import Entry, RunDirectoryError, address, candidates, entries
from ._link import LONGEST_ANSWER, Link, LinkError, user_of

_SECONDS_TO_CONNECT = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """The content of the run directories.

    Attributes:
        entries: the sockets.
        problems: run directories that must not be trusted, with the reason.
    """

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]


def find(environ: Mapping[str, str]) -> Found:
    """Return every socket in this user's run directories."""
    found: list[Entry] = []
    problems: list[str] = []
    for directory in candidates(environ):
        try:
            found += entries(directory)
        except RunDirectoryError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{directory}: {error.strerror}")
    return Found(tuple(found), tuple(problems))


def connect(entry: Entry, seconds: float) -> Link | None:
    """Connect to a process; None if it has ended, whose socket is removed then.

    Raises:
        LinkError: it is there and does not answer.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        with address(entry.directory, entry.name) as path:
            connection.connect(path)
        if user_of(connection) != os.geteuid():
            raise LinkError("its socket belongs to another user")
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        with suppress(OSError):
            os.unlink(os.path.join(entry.directory, entry.name))
        return None
    except OSError as error:
        connection.close()
        raise LinkError("no answer in time" if isinstance(error, (TimeoutError, BlockingIOError)) else str(error)) from error
    except BaseException:
        connection.close()
        raise
    return Link(connection, LONGEST_ANSWER)


def forget_ended(directory: Path) -> None:
    """Remove the sockets of processes that have ended."""
    with suppress(OSError, RunDirectoryError):
        for entry in entries(directory):
            with suppress(LinkError):
                link = connect(entry, _SECONDS_TO_CONNECT)
                if link is not None:
                    link.close()


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was asked.

    Attributes:
        entry: its socket.
        report: what it told; None when it did not answer.
        silence: why it did not answer.
    """

    entry: Entry
    report: dict[str, Any] | None
    silence: str = ""

    @property
    def job(self) -> str:
        """Its job."""
        return self.entry.job


def ask_all(found: Found, seconds: float) -> list[Process]:
    """Ask every process for its report; those that have ended are left out, and their sockets removed."""
    deadline = time.monotonic() + seconds
    asked: list[tuple[Entry, Link | None, str]] = []
    for entry in found.entries:
        try:
            link = connect(entry, max(deadline - time.monotonic(), 0.01))
            if link is not None:
                asked.append((entry, link, ""))
                link.send({"ask": "report"}, seconds)
        except LinkError as error:  # what failed to be sent is not answered either
            asked += [] if asked and asked[-1][0] is entry else [(entry, None, str(error))]
    return [process for entry, link, silence in asked if (process := _told(entry, link, silence, deadline)) is not None]


def _told(entry: Entry, link: Link | None, silence: str, deadline: float) -> Process | None:
    if link is None:
        return Process(entry, None, silence)
    try:
        answer = link.receive(deadline - time.monotonic())
    except LinkError as error:
        return Process(entry, None, str(error))
    finally:
        link.close()
    if answer is None:
        return None if _has_ended(entry) else Process(entry, None, "it closed the connection")
    if not isinstance(answer.get("report"), dict):
        return Process(entry, None, str(answer.get("error", "it did not report")))
    return Process(entry, answer["report"])


def _has_ended(entry: Entry) -> bool:
    try:
        link = connect(entry, _SECONDS_TO_CONNECT)
    except LinkError:
        return False
    if link is not None:
        link.close()
    return link is None
