"""``syncfree doctor --server`` with a server of a few lines; the real one is asked in the tests of vLLM's engines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from syncfree.adapters.vllm import server as asked
from syncfree.cli._app import app


class Answering(ThreadingHTTPServer):
    """Answers every request with a status and a body; the body may change with each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.bodies: list[str] = []
        self.questions: list[Any] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = self.server.bodies.pop(0) if len(self.server.bodies) > 1 else self.server.bodies[0]
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as answering:
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


def told(index: int, size: int, manifest: str = "abc") -> dict[str, Any]:
    """What a worker tells."""
    binding = {
        "hook": "dp_all_reduce",
        "verdict": "needed",
        "state": "bound",
        "choice": "sync_free",
        "source": "default",
        "reason": "it stalls",
        "counts": {"acme.work:reduce": {"sync_free": {"calls": 41, "declines": 1}, "upstream": {"calls": 5, "declines": 0}}},
    }
    rank = {"index": index, "size": size}
    return {
        "host": "node",
        "pid": 100 + index,
        "rank": rank,
        "manifest": manifest,
        "bindings": [binding],
        "broken_plugins": [],
    }


def answer(*workers: list[dict[str, Any]]) -> str:
    return json.dumps({"results": workers})


def doctor(server: Answering, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", "--server", server.address, *options], env={"COLUMNS": "160"})
    return done.exit_code, done.output


def test_shows_each_rank_once_with_its_counters(server: Answering) -> None:
    both = [told(0, 2), told(1, 2)]
    server.bodies = [answer(both, both)]
    status, text = doctor(server)
    assert status == 0
    for index in (0, 1):
        assert text.count(f"rank {index} of 2, pid {100 + index} on node: manifest abc") == 1
    assert text.count("41") == 2
    (question,) = server.questions
    assert question["method"] == "syncfree_plan"


def test_repeats_the_question_until_every_rank_has_answered(server: Answering) -> None:
    server.bodies = [answer([told(1, 2)]), answer([told(0, 2), told(1, 2)])]
    found = asked.plans(server.address)
    assert [process["rank"]["index"] for process in found] == [0, 1]
    assert len({json.dumps(question) for question in server.questions}) == 1


def test_a_rank_without_an_answer_and_plans_that_differ_are_told_with_status_1(
    server: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "SECONDS_TO_ANSWER", 0.1)
    server.bodies = [answer([told(0, 3), told(2, 3, "xyz")])]
    status, text = doctor(server, "--json")
    found = json.loads(text)
    assert status == 1
    assert "no answer of rank 1 of 3" in found["problems"][0]
    assert "the plans differ: abc in rank 0 of 3" in found["problems"][1]
    assert [process["pid"] for process in found["processes"]] == [100, 102]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, "", "start vLLM with VLLM_SERVER_DEV_MODE=1"),
        (500, "", "has no syncfree in its workers"),
        (503, "", "answered 503 Service Unavailable"),
        (200, "<html>", "no vLLM server answers at"),
        (200, "{}", "that is not vLLM's"),
    ],
)
def test_a_server_that_cannot_be_asked_is_an_error_with_the_next_step(
    server: Answering, status: int, body: str, message: str
) -> None:
    server.status, server.bodies = status, [body]
    with pytest.raises(asked.ServerError, match=message) as error:
        asked.plans(server.address)
    assert server.address in str(error.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no such host", "ftp://127.0.0.1:1"])
def test_an_address_without_a_server_is_an_error(address: str) -> None:
    with pytest.raises(asked.ServerError, match="no vLLM server answers at"):
        asked.plans(address)
