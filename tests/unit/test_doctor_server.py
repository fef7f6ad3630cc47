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
        self.paths: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
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
        thread = threading.Thread(target=answering.serve_forever, args=(0.01,))
        thread.start()
        yield answering
        answering.shutdown()
        thread.join()


def told(index: int, size: int, manifest: str = "abc") -> dict[str, Any]:
    """Return what a worker tells."""
    binding = {
        "hook": "dp_all_reduce",
        "verdict": "stalls",
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
    monkeypatch.setattr(asked, "SECONDS_TO_ANSWER", 2.0)
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
        (200, "<html>", "that is not vLLM's"),
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


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "https://127.0.0.1:1", "no-such-host.invalid"])
def test_an_address_without_a_server_is_an_error(address: str) -> None:
    with pytest.raises(asked.ServerError, match="no vLLM server answers at"):
        asked.plans(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "it names no host"),
        ("http://", "it names no host"),
        ("http:///x", "it names no host"),
        ("no such host", "it has blanks or control characters"),
        ("127.0.0.1:1\r\nX: y", "it has blanks or control characters"),
        ("ftp://127.0.0.1:1", "'ftp' is neither http nor https"),
        ("file:///etc/passwd", "'file' is neither http nor https"),
        ("http://127.0.0.1:http", "Port could not be cast"),
        ("127.0.0.1:65536", "Port out of range"),
        ("127.0.0.1:-1", "Port"),
        ("127.0.0.1:0", "there is no port 0"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("::1", "it names no host"),
        ("http://me:secret@127.0.0.1:1", "it has a user name, and none is sent"),
        ("http://127.0.0.1:1/?a=b", "it has a query or a fragment"),
        ("http://127.0.0.1:1/#a", "it has a query or a fragment"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example_of_one(address: str, why: str) -> None:
    with pytest.raises(asked.ServerError, match="that is not the address of a server") as error:
        asked.plans(address)
    assert why in str(error.value)
    assert "http://localhost:8000" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_path_before_the_endpoint_is_kept(server: Answering) -> None:
    server.bodies = [answer([told(0, 1)])]
    assert len(asked.plans(f"http://{server.address}/behind/ä b%20/".replace(" ", ""))) == 1
    assert server.paths == ["/behind/%C3%A4b%20/collective_rpc"]


def test_no_proxy_is_asked(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    server.bodies = [answer([told(0, 1)])]
    assert len(asked.plans(server.address)) == 1


@pytest.mark.parametrize("results", [[], [[]], [[told(0, 2)], []]])
def test_a_worker_that_tells_nothing_is_no_success(server: Answering, results: list[Any]) -> None:
    server.bodies = [json.dumps({"results": results})]
    with pytest.raises(asked.ServerError, match="answered nothing"):
        asked.plans(server.address)


def test_a_worker_where_nothing_is_loaded_is_named_with_status_1(server: Answering) -> None:
    server.bodies = [answer([{**told(0, 1), "bindings": []}])]
    status, text = doctor(server)
    assert status == 1
    assert "rank 0 of 1, pid 100 on node: nothing is loaded there" in text


def test_of_many_silent_ranks_the_first_are_named(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "SECONDS_TO_ANSWER", 2.0)
    server.bodies = [answer([told(1, 10**15)])]
    status, text = doctor(server, "--json")
    assert status == 1
    assert "no answer of rank 0, 2, 3, 4, 5, 6, 7, 8 and 999999999999991 more of" in json.loads(text)["problems"][0]


WRONG = {
    "host": [None, 1, [], "x" * 10_001],
    "pid": ["1", True, 1.0, -1, 1 << 63, None],
    "rank": [0, [], {}, {"index": 0}, {"index": "0", "size": 1}, {"index": 1, "size": 1}, {"index": -1, "size": 1}],
    "manifest": [None, ["abc"]],
    "bindings": [None, {}, [None], [{}], "x"],
    "broken_plugins": [None, "x", [1]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_field_of_another_shape_is_an_error_that_names_it(server: Answering, name: str, value: object) -> None:
    server.bodies = [answer([{**told(0, 1), name: value}])]
    with pytest.raises(asked.ServerError, match="that is not vLLM's") as error:
        asked.plans(server.address)
    assert name in str(error.value)


@pytest.mark.parametrize("name", list(told(0, 1)))
def test_a_field_that_is_missing_is_an_error_that_names_it(server: Answering, name: str) -> None:
    server.bodies = [answer([{key: value for key, value in told(0, 1).items() if key != name}])]
    with pytest.raises(asked.ServerError, match=rf"results\[0\]\[0\] has no '{name}'"):
        asked.plans(server.address)


def test_names_of_a_server_are_shown_and_not_interpreted(server: Answering) -> None:
    hostile = "[red]a[/] :smile: \x1b[2J\n"
    worker = {**told(0, 1), "host": hostile, "manifest": hostile, "broken_plugins": [hostile]}
    worker["bindings"] = [{**worker["bindings"][0], "hook": hostile, "reason": hostile}]
    server.bodies = [answer([worker])]
    status, text = doctor(server, "--verbose")
    assert status == 0
    assert text.count(r"[red]a[/] :smile: \x1b[2J\n") == 5
    assert all(line.isprintable() for line in text.split("\n"))
