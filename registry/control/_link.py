"""One JSON object per line over a connected socket, with a deadline for each."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

from .._errors import SyncfreeError

LONGEST_REQUEST = 1 << 16
LONGEST_ANSWER = 1 << 24
_CREDENTIALS = struct.Struct("3i")


class LinkError(SyncfreeError):
    """The other side did not answer in time, or sent something that is not a message."""

    page = "docs/control.md"


class Link:
    """A connection.

    Args:
        connection: a connected stream socket.
        longest: bytes of a received line.
    """

    def __init__(self, connection: socket.socket, longest: int) -> None:
        self._connection = connection
        self._longest = longest
        self._received = bytearray()

    def send(self, message: dict[str, Any], seconds: float) -> None:
        """Send one message.

        Raises:
            LinkError: the other side is gone or does not read.
        """
        try:
            self._connection.settimeout(max(seconds, 0.001))
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise LinkError(_reason(error)) from error

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message; None when the other side has closed the connection.

        Raises:
            LinkError: there is none in time, or it is not a JSON object on one line.
        """
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            if len(self._received) > self._longest:
                raise LinkError(f"a message has more than {self._longest} bytes")
            try:
                self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
                data = self._connection.recv(1 << 16)
            except ConnectionError:
                return None
            except OSError as error:
                raise LinkError(_reason(error)) from error
            if not data:
                return None
            self._received += data
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LinkError("a message is not JSON") from error
        if not isinstance(message, dict):
            raise LinkError("a message is not a JSON object")
        return message

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def user_of(connection: socket.socket) -> int:
    """Return the effective user id of the process at the other end when it connected or began to listen."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return int(user)


def _reason(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
