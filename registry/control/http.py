"""See and switch the hooks of a running server over HTTP, behind the server's own API key: an ASGI middleware.

An operator names it, as in ``vllm serve MODEL --api-key KEY --middleware syncfree.control.http.HookControl``. Nothing is served
otherwise.

A middleware that is named is the outermost one, so a request reaches it before the server has checked the key. It lets the
server check it, in three steps:

1. The server is asked for our path without the request's credentials. It must answer 401; else it has no key, and we answer 403.
2. It is asked with the request's own headers. What it answers other than 404, such as 401, is the answer.
3. It answered 404, as to any unknown path behind its key: the request is authorized, and answered here.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict
from typing import Any

from .._errors import SyncfreeError, unknown_hook
from ..hooks import HOOKS
from ._client import ask_all, find
from ._directory import Entry
from ._toggle import toggle

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/v1/syncfree"
_LONGEST_BODY = 1 << 16
_SECONDS = 5.0
_LONGEST_SECONDS = 60.0
_NO_KEY = "syncfree: this server has no API key, so anybody could switch its hooks: start it with one (vllm serve --api-key KEY)"


class _Refused(Exception):
    """The request is answered with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HookControl:
    """An ASGI middleware that answers requests to ``/v1/syncfree``.

    ``GET`` returns the processes of this server's job with their plans, ``POST`` with ``{"choices": {HOOK: CHOICE} or null,
    "seconds": 5}`` switches all of them or none (null: takes back every toggle), as ``syncfree toggle`` does: 200 when they have
    switched, 409 when none has.

    Args:
        app: the server's application.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on."""
        if scope["type"] != "http" or _path(scope) != PATH or scope["method"] == "OPTIONS":  # a browser's, without a key
            await self._app(scope, receive, send)
            return
        without = [(name, value) for name, value in scope["headers"] if name.lower() != b"authorization"]
        if await _status(self._app, {**scope, "headers": without}) != 401:
            await _answer(send, 403, {"error": _NO_KEY})
            return
        if await _status(self._app, scope) != 404:
            await self._app(scope, receive, send)
            return
        try:
            status, found = await _served(str(scope["method"]), receive)
        except _Refused as refused:
            status, found = refused.status, {"error": str(refused)}
        except SyncfreeError as error:
            status, found = 500, {"error": str(error)}
        await _answer(send, status, found)


async def _served(method: str, receive: Receive) -> tuple[int, dict[str, Any]]:
    if method == "GET":
        return 200, await asyncio.to_thread(_listed)
    if method != "POST":
        raise _Refused(405, "syncfree: GET lists the processes and POST switches hooks")
    choices, seconds = _parsed(await _body(receive))
    outcome = await asyncio.to_thread(lambda: toggle(_entries(), choices, seconds))
    return (200 if outcome.switched else 409), {"choices": choices, **asdict(outcome)}


def _listed() -> dict[str, Any]:
    ours = set(_entries())
    processes = [process for process in ask_all(find(os.environ), _SECONDS) if process.entry in ours]
    return {"processes": [process.report or {"pid": process.entry.pid, "error": process.silence} for process in processes]}


def _entries() -> list[Entry]:
    """Return the sockets of this process's job."""
    found = find(os.environ).entries
    jobs = {entry.job for entry in found if entry.pid == os.getpid()}
    if not jobs:
        raise _Refused(503, "syncfree: this process has no socket, because no hook is loaded or SYNCFREE_CONTROL=off; see docs/control.md")
    return [entry for entry in found if entry.job in jobs]


def _parsed(body: bytes) -> tuple[dict[str, str] | None, float]:
    try:
        asked = json.loads(body)
        choices, seconds = asked["choices"], float(asked.get("seconds", _SECONDS))
        if choices is not None:
            choices = {str(hook): str(choice) for hook, choice in choices.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        expected = '{"choices": {"HOOK": "CHOICE"} or null, "seconds": 5}'
        raise _Refused(400, f"syncfree: the body is not of the form {expected}") from error
    unknown = [hook for hook in choices or () if hook not in HOOKS]
    if unknown:
        raise _Refused(400, f"syncfree: {unknown_hook(unknown[0], HOOKS)}")
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise _Refused(400, f"syncfree: seconds must be above 0 and at most {_LONGEST_SECONDS:g}")
    return choices, seconds


def _path(scope: Mapping[str, Any]) -> str:
    return str(scope["path"]).removeprefix(str(scope.get("root_path", ""))).rstrip("/")


async def _status(app: App, scope: Message) -> int:
    """Return the status that the server answers to a request without a body."""
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])

    await app(dict(scope), receive, send)
    return status


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LONGEST_BODY:
            raise _Refused(413, f"syncfree: the body has more than {_LONGEST_BODY} bytes")
        if not message.get("more_body"):
            return bytes(body)


async def _answer(send: Send, status: int, found: Mapping[str, Any]) -> None:
    body = json.dumps(found).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
