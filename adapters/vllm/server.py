"""The plans of a running server's workers, through vLLM's own ``/collective_rpc``, which it has in developer mode only."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from syncfree import SyncfreeError

SECONDS_TO_ANSWER = 15.0
"""How long all ranks together may take; a worker answers between two steps."""


class ServerError(SyncfreeError):
    """A server that cannot be asked: not reachable, not in developer mode, or without syncfree."""


def plans(address: str) -> list[dict[str, Any]]:
    """The plan of every worker process with its counters as they are now, by rank.

    Args:
        address: of the server, such as ``http://localhost:8000``.

    Raises:
        ServerError: nothing could be asked; the message says what to do.
    """
    address = address if "://" in address else f"http://{address}"
    question, deadline = secrets.token_hex(8), time.monotonic() + SECONDS_TO_ANSWER
    while True:
        told = [answer for of_worker in _ask(address, question) for answer in of_worker]
        by_process = {(answer["host"], answer["pid"]): answer for answer in told}
        found = sorted(by_process.values(), key=lambda answer: answer["rank"]["index"] if answer["rank"] else 0)
        expected = max((answer["rank"]["size"] for answer in found if answer["rank"]), default=len(found))
        if len(found) >= expected or time.monotonic() > deadline:
            return found
        time.sleep(0.2)  # ranks of other engines answer between two steps of theirs


def _ask(address: str, question: str) -> list[list[dict[str, Any]]]:
    """One answer of each worker of the engine that answers: what it knows of its ranks."""
    body = json.dumps({"method": "syncfree_plan", "args": [question], "timeout": SECONDS_TO_ANSWER}).encode()
    try:
        request = urllib.request.Request(f"{address.rstrip('/')}/collective_rpc", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER + 5) as response:
            results: list[list[dict[str, Any]]] = json.load(response)["results"]
    except urllib.error.HTTPError as error:
        error.close()
        raise ServerError(f"syncfree: {address} {_why(error)}") from error
    except (OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ServerError(f"syncfree: no vLLM server answers at {address}: {reason}") from error
    except KeyError as error:
        raise ServerError(
            f"syncfree: {address} has a /collective_rpc that is not vLLM's: no {error} in its answer"
        ) from error
    return results


def _why(error: urllib.error.HTTPError) -> str:
    if error.code == 404:
        return (
            "has no /collective_rpc: start vLLM with VLLM_SERVER_DEV_MODE=1, which opens its developer endpoints to whoever "
            "reaches the port"
        )
    if error.code == 500:
        return (
            "has no syncfree in its workers, or the call failed there (its log says which): it is not installed in that "
            "environment, SYNCFREE=off, VLLM_PLUGINS leaves it out, or its version has no report"
        )
    return f"answered {error.code} {error.reason} to /collective_rpc"
