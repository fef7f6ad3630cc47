"""A server that answers in every wrong way, and what it answers."""

from __future__ import annotations

import copy
import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from .drawn import drawn

COUNTS = {"acme.work:reduce": {"sync_free": {"calls": 41, "declines": 1}, "upstream": {"calls": 5, "declines": 0}}}
BINDING = {
    "hook": "dp_all_reduce",
    "framework": "vllm",
    "version": "0.32.0",
    "targets": ["acme.work:reduce"],
    "verdict": "stalls",
    "state": "bound",
    "choice": "sync_free",
    "source": "default",
    "reason": "it stalls",
    "lockstep": False,
    "note": "",
    "counts": COUNTS,
}
TOLD = {
    "host": "node",
    "pid": 100,
    "rank": {"index": 0, "size": 1},
    "manifest": "abc",
    "enabled": True,
    "loaded": ["vllm"],
    "bindings": [BINDING],
    "broken_plugins": [],
}
RIGHT = {"results": [[TOLD]]}
ODD: tuple[Any, ...] = (
    None,
    3,
    -1,
    1.5,
    "x",
    "",
    [],
    {},
    [[]],
    [None],
    {"x": 1},
    True,
    10**30,
    "[red]x[/red]",
    "\x1b[2J",
    "\ud800",
    "a\nb",
    "x" * 10_000,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `codes` are the exit statuses that are right."""

    name: str
    data: bytes
    codes: tuple[int, ...] = (2,)


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer of HTTP."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        *headers,
        "Connection: close",
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


@st.composite
def _mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    whole = copy.deepcopy(RIGHT)
    path = draw(st.sampled_from(list(_paths(whole))))
    inner: Any = whole
    for key in path[:-1]:
        inner = inner[key]
    index = draw(st.integers(-1, len(ODD) - 1))
    if index < 0:
        del inner[path[-1]]
    else:
        inner[path[-1]] = ODD[index]
    name = f"{'.'.join(map(str, path))} {'gone' if index < 0 else f'is {ODD[index]!r:.20}'}"
    return name, json.dumps(whole).encode()


def mutated() -> list[Answer]:
    """The right answer with one value gone or odd: shown, or refused with one sentence."""
    return [Answer(name, http(body), (0, 1, 2)) for name, body in drawn(_mutated(), 50)]


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no object": b"[]",
    "null": b"null",
    "a number": b"3",
    "no results": b"{}",
    "results null": b'{"results": null}',
    "results a text": b'{"results": "x"}',
    "results a number": b'{"results": 3}',
    "results an object": b'{"results": {}}',
    "no workers": b'{"results": []}',
    "workers that say nothing": b'{"results": [[], []]}',
    "a worker that is null": b'{"results": [null]}',
    "an answer that is null": b'{"results": [[null]]}',
    "an answer that is a text": b'{"results": ["abc"]}',
    "an answer that is a number": b'{"results": [[3]]}',
    "an empty answer": b'{"results": [[{}]]}',
    "truncated": json.dumps(RIGHT).encode()[:-20],
    "two documents": b"{}{}",
    "HTML": b"<html><body>502 Bad Gateway</body></html>",
    "not UTF-8": b'{"results": "\xff\xfe"}',
    "UTF-16": json.dumps(RIGHT).encode("utf-16"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep results": b'{"results": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "NaN": b'{"results": NaN}',
    "a huge number": b'{"results": ' + b"9" * 10_000 + b"}",
    "twice the same key": b'{"results": [], "results": 3}',
    "30 MB": b'{"results": "' + b"x" * 30_000_000 + b'"}',
    "a million answers": b'{"results": [' + b"[]," * 1_000_000 + b"[]]}",
}
STATUSES = (
    "204 No Content",
    "301 Moved",
    "302 Found",
    "307 Temporary Redirect",
    "400 Bad",
    "401 Unauthorized",
    "404 Not Found",
    "405 Not Allowed",
    "418 I am a teapot",
    "429 Too Many",
    "500 Error",
    "503 Busy",
    "999 What",
    "200 \x1b[31mred",
)
RAW: dict[str, bytes] = {
    "no bytes at all": b"",
    "no HTTP": b"hello\r\n\r\n",
    "HTTP without a status": b"HTTP/1.1\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n{}",
    "a length that is too long": http(b"{}").replace(b"Content-Length: 2", b"Content-Length: 900"),
    "a length below zero": http(b"{}").replace(b"Content-Length: 2", b"Content-Length: -5"),
    "a length that is no number": http(b"{}").replace(b"Content-Length: 2", b"Content-Length: two"),
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    "endless chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n{}",
    "gzip that is none": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "continue without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
}


def fixed() -> list[Answer]:
    """Answers that are written out."""
    redirects = [
        Answer(f"redirect {code}", http(b"", f"{code} Moved", "Location: /0/elsewhere"))
        for code in (301, 302, 303, 307, 308)
    ]
    return [
        *(Answer(name, http(body), (0,) if name == "UTF-16" else (2,)) for name, body in BODIES.items()),  # JSON may be that
        *(Answer(f"status {status!a}", http(b"{}", status)) for status in STATUSES),
        *(Answer(name, data) for name, data in RAW.items()),
        *redirects,
        Answer("the right one", http(json.dumps(RIGHT).encode()), (0,)),
    ]


def _drips(connection: socket.socket, data: bytes, pause: float) -> None:
    for index in range(len(data)):
        connection.sendall(data[index : index + 1])
        time.sleep(pause)


def _pours(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"results": "')
    while True:
        connection.sendall(b"x" * 65_536)


SLOW: dict[str, Callable[[socket.socket], None]] = {
    "never answers": lambda connection: time.sleep(90),
    "drips its headers": lambda connection: _drips(connection, http(json.dumps(RIGHT).encode()), 0.4),
    "drips its body": lambda connection: (connection.sendall(http(b"x" * 300)[:-300]), _drips(connection, b" " * 300, 0.4))[
        1
    ],
    "pours without end": _pours,
}


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Read the request's first line, and answer what its number says."""
        request = self.request.recv(65_536).decode("latin-1")
        number = request.split("/")[1].split(" ")[0]
        answers: list[Any] = self.server.answers  # type: ignore[attr-defined]
        answer = answers[int(number)] if number.isdigit() else b""
        try:
            answer(self.request) if callable(answer) else self.request.sendall(answer)
        except OSError:
            return  # the client has gone, as it should


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 50


@contextmanager
def served(answers: list[Any]) -> Iterator[str]:
    """Serve answers, each at ``ADDRESS/NUMBER``; yields the address."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.answers = answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
