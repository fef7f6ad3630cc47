"""Hooks over HTTP, in front of an application that checks a key as vLLM's server does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from syncfree.control import http
from syncfree.control._directory import Entry
from syncfree.control.http import PATH, HookControl

from .jobs import Job

KEY = {"authorization": "Bearer secret"}


def server(key: str | None = "secret", unknown: int = 404) -> Any:
    """An application that guards `/v1` with a key, and knows one path."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope["headers"]).get(b"authorization")
        if key is not None and given != f"Bearer {key}".encode():
            status = 401
        else:
            status = 200 if scope["path"] == "/v1/models" else unknown
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"from": "the server"}'})

    return app


def asked(app: Any, method: str = "GET", path: str = PATH, body: bytes = b"", headers: Any = KEY) -> tuple[int, dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": encoded}
    asyncio.run(HookControl(app)(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


@pytest.fixture
def served(job: Job, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job of one process, which is taken for this one."""
    job.start("--threads", "1").told()
    for name, value in job.environment.items():
        if name.startswith("SYNCFREE"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(http.os, "getpid", lambda: job.members[0].pid)
    return job


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_without_the_server_s_key_the_server_answers(method: str, headers: dict[str, str]) -> None:
    assert asked(server(), method, headers=headers) == (401, {"from": "the server"})


@pytest.mark.parametrize("headers", [{}, KEY])
def test_a_server_without_a_key_lists_and_switches_nothing(headers: dict[str, str]) -> None:
    status, found = asked(server(key=None), "POST", body=b'{"choices": null}', headers=headers)
    assert status == 403
    assert "start it with one" in found["error"]


def test_other_paths_are_the_server_s() -> None:
    assert asked(server(), path="/v1/models") == (200, {"from": "the server"})
    assert asked(server(), path="/v1/syncfree/else") == (404, {"from": "the server"})


def test_what_the_server_says_before_it_looks_for_the_path_is_the_answer() -> None:
    """As while vLLM changes its number of ranks."""
    assert asked(server(unknown=503)) == (503, {"from": "the server"})


def test_the_processes_of_the_job_are_listed_and_switched(served: Job) -> None:
    status, found = asked(server())
    assert status == 200
    assert [of["pid"] for of in found["processes"]] == [served.members[0].pid]
    status, found = asked(server(), "POST", body=b'{"choices": {"postprocess": "second"}, "seconds": 30}')
    assert (status, found["switched"], found["problems"]) == (200, True, [])
    assert served.members[0].ask("report")["choices"]["postprocess"] == "second"
    assert asked(server(), "POST", body=b'{"choices": null, "seconds": 30}')[0] == 200
    assert served.members[0].ask("report")["choices"]["postprocess"] == "first"


def test_a_choice_that_cannot_be_met_is_a_conflict_with_the_reason(served: Job) -> None:
    status, found = asked(server(), "POST", body=b'{"choices": {"postprocess": "secnd"}, "seconds": 30}')
    assert status == 409
    assert "did you mean 'second'" in found["problems"][0]
    assert served.members[0].ask("report")["choices"]["postprocess"] == "first"


WRONG = {
    b"": (400, "is not of the form"),
    b"[]": (400, "is not of the form"),
    b'{"choices": 3}': (400, "is not of the form"),
    b'{"choices": {}, "seconds": "soon"}': (400, "is not of the form"),
    b'{"choices": {}, "seconds": 1e9}': (400, "seconds must be above 0 and at most 60"),
    b'{"choices": {}, "seconds": NaN}': (400, "seconds must be above 0 and at most 60"),
    b'{"choices": {"postproces": "first"}}': (400, "did you mean 'postprocess'"),
    b"x" * (1 << 17): (413, "more than 65536 bytes"),
}


@pytest.mark.parametrize("body", WRONG)
def test_a_wrong_body_is_a_sentence_and_a_status(body: bytes) -> None:
    status, found = asked(server(), "POST", body=body)
    assert status == WRONG[body][0]
    assert WRONG[body][1] in found["error"]


def test_another_method_is_refused() -> None:
    assert asked(server(), "DELETE")[0] == 405


def test_a_process_that_has_no_socket_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SYNCFREE_CONTROL", str(tmp_path / "run"))
    status, found = asked(server())
    assert status == 503
    assert "has no socket" in found["error"]


def test_processes_of_other_jobs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [Entry(Path("/run"), "a", "ours", os.getpid()), Entry(Path("/run"), "b", "theirs", 1), Entry(Path("/run"), "c", "ours", 2)]
    monkeypatch.setattr(http, "find", lambda environ: type("Found", (), {"entries": entries}))
    assert [entry.name for entry in http._entries()] == ["a", "c"]
