"""``syncfree doctor --server`` and whatever may listen at that address: an answer, or one sentence, in time."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from syncfree.adapters.vllm import _http
from syncfree.adapters.vllm import server as asked
from syncfree.cli._app import app

from .test_doctor_server import answer, told

GOOD = answer([told(0, 1)]).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PROGRAM = "import sys; from syncfree.cli import main; sys.argv[0] = 'syncfree'; main()"
SECONDS = 0.5
"""The time that a server may take in the tests of the deadline."""


class Listening:
    """Accepts connections, reads the question, and plays a script with each."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.script: Callable[[socket.socket], None] = lambda connection: None
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self.ended.is_set():
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(30)
                read_question(connection)
                self.script(connection)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):  # what is left unread when it closes would become a reset
                    pass

    def close(self) -> None:
        self.ended.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(60)
        self._listener.close()
        assert not self._thread.is_alive()


def read_question(connection: socket.socket) -> None:
    """Read a whole HTTP request, or the beginning of something else."""
    data = connection.recv(1 << 16)
    while data.startswith(b"POST"):
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((line.split()[1] for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), b"")
        if length and len(body) >= int(length):
            return
        data += connection.recv(1 << 16)


@pytest.fixture(scope="module")
def listening() -> Iterator[Listening]:
    found = Listening()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "LARGEST", 1 << 20)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "SECONDS_TO_ANSWER", SECONDS)


def sends(*parts: bytes) -> Callable[[socket.socket], None]:
    """A script: send this and close."""

    def script(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def for_ever(first: bytes, again: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    """A script: send the first, then the other again and again, until nobody reads."""

    def script(connection: socket.socket) -> None:
        connection.sendall(first)
        waiting = threading.Event()
        for _ in range(1_000_000):
            connection.sendall(again)
            waiting.wait(pause)

    return script


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # ends when the other side closes


def refusal(listening: Listening, script: Callable[[socket.socket], None], scheme: str = "http") -> str:
    """Return what is said of a server that plays this script, within the time limit and a little."""
    listening.script = script
    started = time.monotonic()
    with pytest.raises(asked.ServerError) as error:
        asked.plans(f"{scheme}://{listening.address}")
    assert time.monotonic() - started < asked.SECONDS_TO_ANSWER + 5
    assert listening.address in str(error.value)
    assert str(error.value).isprintable()
    return str(error.value)


LATE = {
    "it says nothing": silent,
    "a drip of the status line": for_ever(b"HTTP/1.1 200 O", b"K", 0.05),
    "a drip of headers": for_ever(b"HTTP/1.1 200 OK\r\n", b"a", 0.05),
    "a drip of a body": for_ever(HEAD + b"Content-Length: 900000\r\n\r\n", b" ", 0.05),
    "a drip of a body without an end": for_ever(HEAD + b"\r\n", b" ", 0.05),
    "a drip of chunks": for_ever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.05),
    "a drip of interim answers": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", LATE.values(), ids=LATE)
def test_there_is_one_deadline_for_everything(listening: Listening, script: Callable[[socket.socket], None]) -> None:
    said = refusal(listening, script)
    assert "there is no whole answer within 0.5 s" in said or "timed out" in said


@pytest.mark.usefixtures("impatient")
def test_the_deadline_holds_for_a_handshake(listening: Listening) -> None:
    assert "timed out" in refusal(listening, silent, "https")


@pytest.mark.usefixtures("impatient")
def test_the_deadline_holds_for_finding_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> list[Any]:
        asked_for.set()
        go_on.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(asked.ServerError, match="the name of the host could not be resolved in time"):
        asked.plans("http://slow.example")
    assert asked_for.is_set()
    go_on.set()


@pytest.mark.usefixtures("impatient")
def test_the_deadline_holds_for_a_host_of_many_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [place] * 10)
        started = time.monotonic()
        with pytest.raises(asked.ServerError, match="no vLLM server answers at"):
            asked.plans("http://many.example")
        assert time.monotonic() - started < SECONDS + 5
        for one in waiting:
            one.close()


def test_the_next_address_of_a_host_is_tried(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    listening.script = sends(HEAD + b"\r\n", GOOD)
    host, _, port = listening.address.partition(":")
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, number)) for number in (1, int(port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    assert len(asked.plans("http://two.example")) == 1


LARGE = {
    "a body": (for_ever(HEAD + b"\r\n", b" " * 65536), "more than 1 MiB"),
    "chunks": (for_ever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"), "more than 1 MiB"),
    "a chunk of less than nothing": (
        for_ever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", b" " * 65536),
        "more than 1 MiB",
    ),
    "a chunk that is claimed": (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n "), "IncompleteRead"),
    "a length that is claimed": (sends(HEAD + b"Content-Length: " + b"9" * 18 + b"\r\n\r\n{"), "bytes early"),
    "a header": (for_ever(b"HTTP/1.1 200 OK\r\nA: ", b"a" * 65536), "got more than 65536 bytes"),
    "headers": (for_ever(b"HTTP/1.1 200 OK\r\n", b"A: a\r\n"), "got more than 100 headers"),
    "interim answers": (for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "more than 1 MiB"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "why"), LARGE.values(), ids=LARGE)
def test_what_is_read_is_limited(listening: Listening, script: Callable[[socket.socket], None], why: str) -> None:
    assert why in refusal(listening, script)


BOMB = gzip.compress(b" " * (64 << 20))
OTHER = {
    "nothing": (sends(), "without response"),
    "something that is not HTTP": (sends(b"SSH-2.0-OpenSSH_9.6\r\n"), "SSH-2.0"),
    "control codes": (sends(b"HTTP/1.1 200 OK\x1b[2J\r\n\r\n"), "it is not JSON"),
    "a TLS alert": (sends(b"\x15\x03\x01\x00\x02\x02\x50"), "no vLLM server answers at"),
    "a truncated body": (sends(HEAD + b"Content-Length: 100\r\n\r\n{}"), "ends 98 bytes early"),
    "a truncated chunk": (sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{}"), "IncompleteRead"),
    "an empty body": (sends(HEAD + b"Content-Length: 0\r\n\r\n"), "it is not JSON"),
    "a page": (sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + GOOD), "it is of type 'text/html'"),
    "deep JSON": (sends(HEAD + b"\r\n" + b"[" * 100_000), "it is not JSON: maximum recursion depth"),
    "a large number": (sends(HEAD + b"\r\n" + b"9" * 100_000), "that is not vLLM's"),
    "no number": (sends(HEAD + b'\r\n{"results": [], "x": NaN}'), "it is not JSON: it has NaN"),
    "text that is not UTF-8": (sends(HEAD + b'\r\n{"results": "\xff"}'), "it is not JSON"),
    "a bomb": (sends(HEAD + b"Content-Encoding: gzip\r\n\r\n" + BOMB), "in the encoding 'gzip'"),
    "unauthorized": (sends(b"HTTP/1.1 401 Unauthorized\r\n\r\n"), "answered 401 Unauthorized"),
    "a redirect": (
        sends(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\n\r\n"),
        "answered 307 Temporary Redirect to /collective_rpc, which leads to 'http://169.254.169.254/'",
    ),
}


@pytest.mark.parametrize(("script", "why"), OTHER.values(), ids=OTHER)
def test_what_is_no_answer_of_ours_is_one_sentence(
    listening: Listening, script: Callable[[socket.socket], None], why: str
) -> None:
    assert why in refusal(listening, script)


def test_a_server_without_tls_that_is_asked_with_tls_is_one_sentence(listening: Listening) -> None:
    assert "no vLLM server answers at" in refusal(listening, sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "https")


def test_a_redirect_is_not_followed(listening: Listening) -> None:
    asked_again = []

    def script(connection: socket.socket) -> None:
        asked_again.append(1)
        connection.sendall(f"HTTP/1.1 307 x\r\nLocation: http://{listening.address}/\r\n\r\n".encode())

    refusal(listening, script)
    assert len(asked_again) == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"results": []}', b'{"results": {"a": 1}}', b"<html>"])
def test_the_command_ends_with_2_and_one_sentence(listening: Listening, body: bytes) -> None:
    listening.script = sends(HEAD + b"\r\n", body)
    command = [sys.executable, "-c", PROGRAM, "doctor", "--json", "--server", listening.address]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"syncfree: {listening.address} has a /collective_rpc that is not vLLM's")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of JSON."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    """A right answer, with some parts of it taken out or replaced."""
    whole = {"results": [[told(0, 2), told(1, 2)], [told(0, 2)]]}
    for _ in range(draw(st.integers(0, 3))):
        found = [place for place in places(whole) if place]
        if not found:
            break
        *path, last = draw(st.sampled_from(found))
        holder: Any = whole
        for key in path:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = draw(json_values)
        else:
            del holder[last]
    return whole


def outcome(listening: Listening) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", "--server", listening.address])
    assert done.exception is None or isinstance(done.exception, (SystemExit, asked.ServerError)), done.exception
    return (2 if isinstance(done.exception, asked.ServerError) else done.exit_code), done.output


@pytest.mark.usefixtures("impatient")
@settings(max_examples=150)
@given(nearly_right() | json_values)
def test_every_json_is_an_answer_or_one_sentence(listening: Listening, found: Any) -> None:
    body = json.dumps(found).encode()
    listening.script = sends(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode(), body)
    status, output = outcome(listening)
    assert status in (0, 1, 2)
    if status == 0:
        assert "rank" in output or "worker" in output


@pytest.mark.usefixtures("impatient")
@settings(max_examples=150)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from([HEAD, b"\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\n", b"0\r\n\r\n"])
        | st.just(GOOD),
        max_size=8,
    )
)  # fmt: skip
def test_every_sequence_of_bytes_is_an_answer_or_one_sentence(listening: Listening, parts: list[bytes]) -> None:
    listening.script = sends(*parts)
    assert outcome(listening)[0] in (0, 2)
