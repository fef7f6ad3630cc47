"""The plans of a running server's workers, through vLLM's own ``/collective_rpc``, which it has in developer mode only."""

from __future__ import annotations

import json
import secrets
import ssl
import time
from http.client import HTTPException
from typing import Any

from syncfree import SyncfreeError

from ._http import Address, Answer, Deadline, post
from ._worker_reports import WrongShape, worker_plans

SECONDS_TO_ANSWER = 15.0
"""The longest time for everything: finding the host, connecting, and the answers of all ranks, each between two steps."""

_EXAMPLE = "give one like http://localhost:8000 or http://[::1]:8000"
_SECONDS_BETWEEN = 0.2


class ServerError(SyncfreeError):
    """A server that cannot be asked: not reachable, not in developer mode, without syncfree, or something else altogether."""


def plans(address: str) -> list[dict[str, Any]]:
    """The plan of every worker process with its counters as they are now, by rank; one at least.

    Args:
        address: of the server, such as ``http://localhost:8000``. It is asked directly, not through a proxy.

    Raises:
        ServerError: nothing could be asked; the message says what to do.
    """
    try:
        server = Address.parse(address)
    except ValueError as error:
        raise ServerError(f"syncfree: that is not the address of a server: {error}; {_EXAMPLE}") from error
    question, deadline = secrets.token_hex(8), Deadline(SECONDS_TO_ANSWER)
    by_process: dict[tuple[str, int], dict[str, Any]] = {}
    while True:
        try:
            answers = _ask(address, server, question, deadline)
        except TimeoutError as error:
            if by_process:
                return _by_rank(by_process)
            raise ServerError(
                f"syncfree: no vLLM server answers at {address}: {error}; ask again after a long step"
            ) from error
        by_process |= {(answer["host"], answer["pid"]): answer for answer in answers}
        expected = max((answer["rank"]["size"] for answer in by_process.values() if answer["rank"]), default=1)
        if len(by_process) >= expected:
            return _by_rank(by_process)
        time.sleep(_SECONDS_BETWEEN)  # ranks of other engines answer between two steps of theirs


def _by_rank(by_process: dict[tuple[str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(by_process.values(), key=lambda answer: answer["rank"]["index"] if answer["rank"] else 0)


def _ask(address: str, server: Address, question: str, deadline: Deadline) -> list[dict[str, Any]]:
    """Return what each worker of the engine that answers knows of its ranks."""
    body = json.dumps({"method": "syncfree_plan", "args": [question], "timeout": SECONDS_TO_ANSWER}).encode()
    try:
        answer = post(server, "/collective_rpc", body, deadline)
    except TimeoutError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        raise ServerError(f"syncfree: no vLLM server answers at {address}: {_reason(error)}") from error
    if answer.status != 200:
        raise ServerError(f"syncfree: {address} {_why(answer)}")
    try:
        return worker_plans(answer)
    except WrongShape as error:
        whose = "that is not vLLM's, or workers with another release of syncfree"
        raise ServerError(f"syncfree: {address} has a /collective_rpc {whose}: {error}") from error


def _reason(error: Exception) -> str:
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    trust = "; SSL_CERT_FILE names a file with the certificates to trust"
    return text + trust if isinstance(error, ssl.SSLCertVerificationError) else text


def _why(answer: Answer) -> str:
    if answer.status == 404:
        return (
            "has no /collective_rpc: start vLLM with VLLM_SERVER_DEV_MODE=1, which opens its developer endpoints to whoever "
            "reaches the port"
        )
    if answer.status == 500:
        return (
            "has no syncfree in its workers, or the call failed there (its log says which): it is not installed in that "
            "environment, SYNCFREE=off, VLLM_PLUGINS leaves it out, or its version has no report"
        )
    location = f", which leads to {answer.location[:200]!r}; give the address of vLLM itself" if answer.location else ""
    return f"answered {answer.status} {answer.reason[:100]} to /collective_rpc{location}"
