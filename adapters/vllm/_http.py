"""One HTTP exchange of which everything is bounded: the time as a whole, the bytes that come in, and where they come from.

The limits lie below the HTTP client, on its socket, so that they hold for a status line, for headers and for chunks, too. It
goes to the address itself: never through a proxy, and it follows no redirect.
"""

from __future__ import annotations

import io
import queue
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urlsplit

LARGEST = 32 << 20
"""Bytes of one answer. A worker's plan has 8 KiB, and each worker tells the plans of all ranks of its process group."""

_PIECE = 1 << 16


class TooLarge(HTTPException):
    """More has come in than `LARGEST`."""


class Deadline:
    """The end of everything that is done for one question."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"there is no whole answer within {self.seconds:g} s")
        return left


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server; ``prefix`` is the path before its endpoints."""

    secure: bool
    host: str
    port: int
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Take ``HOST:PORT`` or a URL apart.

        Raises:
            ValueError: it is not the address of a server; the message says why and repeats nothing of the text but a scheme.
        """
        if not text.isprintable() or " " in text:
            raise ValueError("it has blanks or control characters")
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"{parts.scheme!r} is neither http nor https")
        if parts.username is not None:
            raise ValueError("it has a user name, and none is sent")
        if parts.query or parts.fragment:
            raise ValueError("it has a query or a fragment")
        if not parts.hostname:
            raise ValueError("it names no host")
        secure = parts.scheme == "https"
        port = (443 if secure else 80) if parts.port is None else parts.port
        if port == 0:
            raise ValueError("there is no port 0")
        return cls(secure, parts.hostname, port, quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; ``body`` is empty unless the status is 200."""

    status: int
    reason: str
    media_type: str | None
    location: str
    body: bytes


def post(address: Address, endpoint: str, body: bytes, deadline: Deadline) -> Answer:
    """Send JSON and read the answer.

    Raises:
        TimeoutError: there was no whole answer in time.
        TooLarge: there was too much of it.
        OSError, ValueError, HTTPException: no connection, or something that is not HTTP.
    """
    connected = _connected(address, deadline)
    try:
        connection = HTTPConnection(address.host, address.port)
        connection.sock = _BoundedSocket(connected, deadline)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        connection.request("POST", f"{address.prefix}{endpoint}", body, headers)
        return _answer(connection.getresponse())
    finally:
        connected.close()


def _answer(response: HTTPResponse) -> Answer:
    headers = response.headers
    media_type = headers.get_content_type() if "Content-Type" in headers else None
    body = _body(response) if response.status == 200 else b""
    return Answer(response.status, response.reason, media_type, headers.get("Location", ""), body)


def _body(response: HTTPResponse) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise ValueError(f"the answer is in the encoding {encoding[:50]!r}, which was not asked for")
    pieces = []
    while piece := response.read(_PIECE):  # by the piece: a length that is claimed would be allocated at once
        pieces.append(piece)
    if response.length:
        raise HTTPException(f"the answer ends {response.length} bytes early")
    return b"".join(pieces)


class _BoundedSocket:
    """The part of a socket that `HTTPConnection` uses: it sends nothing after the deadline, and what it reads is bounded."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._connected = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._connected.settimeout(self._deadline.left())
        self._connected.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Bounded(self._connected, self._deadline))

    def close(self) -> None:
        """Leave it open: `HTTPConnection` closes its socket before the body has been read."""


class _Bounded(io.RawIOBase):
    """Reads from a socket: no more than `LARGEST` bytes, and nothing after the deadline."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._connected = connected
        self._deadline = deadline
        self._room = LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.settimeout(self._deadline.left())
        count = self._connected.recv_into(buffer)
        self._room -= count
        if self._room < 0:
            raise TooLarge(f"the answer has more than {LARGEST >> 20} MiB")
        return count


def _connected(address: Address, deadline: Deadline) -> socket.socket:
    connected = _first_that_connects(_resolved(address, deadline), deadline)
    if not address.secure:
        return connected
    connected.settimeout(deadline.left())
    try:
        return ssl.create_default_context().wrap_socket(connected, server_hostname=address.host)
    except BaseException:
        connected.close()
        raise


def _first_that_connects(places: list[Any], deadline: Deadline) -> socket.socket:
    for number, (family, kind, protocol, _, place) in enumerate(places, 1):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.settimeout(deadline.left() / (len(places) - number + 1))
            candidate.connect(place)
        except BaseException as error:
            candidate.close()
            if number == len(places) or not isinstance(error, OSError):
                raise
        else:
            return candidate
    raise OSError("the host has no address")


def _resolved(address: Address, deadline: Deadline) -> list[Any]:
    """The addresses of a host. A thread asks, because the resolver has a time limit of its own and cannot be interrupted."""
    found: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(list(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)))
        except (OSError, ValueError) as error:
            found.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        places = found.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError("the name of the host could not be resolved in time") from None
    if isinstance(places, Exception):
        raise places
    return places
