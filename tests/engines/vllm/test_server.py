"""`vllm serve` with a tiny Llama: completions with `logprob_token_ids`, the choice switched in the running server."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from . import run

HOOK = "sampler_logprob_gather"
TARGET = "vllm.v1.sample.sampler:Sampler.gather_specific_token_logprobs"
SECONDS_TO_START = 600


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def post(self, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def in_workers(self, method: str, *arguments: Any) -> list[Any]:
        return list(self.post("/collective_rpc", method=method, args=list(arguments))["results"])

    def complete(self) -> list[Any]:
        body = {"temperature": 0, "max_tokens": 6, "logprobs": 3, "logprob_token_ids": [5, 7, 300]}
        answer = self.post("/v1/completions", model="tiny", prompt=["hello world", "lazy dog"], **body)
        return [(choice["text"], choice["logprobs"]) for choice in answer["choices"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    python, port, log = run.python(), free_port(), tmp_path_factory.mktemp("server") / "log"
    limits = ["--max-model-len", "256", "--kv-cache-memory-bytes", str(64 << 20), "--max-num-seqs", "8"]
    extension = ["--worker-extension-cls", "worker_extension.Registry", "--served-model-name", "tiny"]
    command = [python, python.with_name("vllm"), "serve", run.model("llama"), "--port", str(port), "--dtype", "float32"]
    variables = run.environment(VLLM_SERVER_DEV_MODE="1", SYNCFREE_SAMPLER_LOGPROB_GATHER="sync_free")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--enforce-eager", *limits, *extension],
            env=variables,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server, deadline = Server(port), time.monotonic() + SECONDS_TO_START
    try:
        while not server.is_ready():
            text = log.read_text(errors="replace")[-4000:]
            assert process.poll() is None, f"the server ended:\n{text}"
            assert time.monotonic() < deadline, f"the server is not ready after {SECONDS_TO_START} s:\n{text}"
            time.sleep(0.5)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        run.kill(process)


def counts(server: Server) -> dict[str, int]:
    """Calls by choice in the worker process."""
    (report,) = server.in_workers("syncfree_report")
    (entry,) = (entry for entry in report["plan"]["bindings"] if entry["hook"] == HOOK)
    return {choice: count["calls"] for choice, count in entry["counts"][TARGET].items()}


def doctor(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [run.python().with_name("syncfree"), "doctor", "--server", address, *options]
    return subprocess.run(
        command, env=run.environment(COLUMNS="200"), capture_output=True, text=True, timeout=60, check=False
    )


def test_doctor_shows_the_plan_and_the_counters_of_the_worker(server: Server) -> None:
    server.complete()
    found = doctor(server.address, "--json")
    assert found.returncode == 0, found.stderr
    (process,) = json.loads(found.stdout)["processes"]
    (report,) = server.in_workers("syncfree_report")
    assert (process["pid"], process["manifest"]) == (report["pid"], report["plan"]["manifest"])
    assert process["rank"] == {"index": 0, "size": 1}
    (entry,) = (entry for entry in process["bindings"] if entry["hook"] == HOOK)
    assert entry["counts"][TARGET]["sync_free"]["calls"] >= 6
    text = doctor(server.address.removeprefix("http://")).stdout
    assert f"rank 0 of 1, pid {report['pid']} on " in text
    assert HOOK in text


def test_a_server_that_cannot_be_asked_is_a_sentence_and_status_2(server: Server) -> None:
    for address, why in {
        f"http://127.0.0.1:{free_port()}": "no vLLM server answers at",
        f"{server.address}/elsewhere": "has no /collective_rpc: start vLLM with VLLM_SERVER_DEV_MODE=1",
    }.items():
        found = doctor(address)
        assert found.returncode == 2
        assert why in found.stderr
        assert "Traceback" not in found.stderr


def test_a_method_that_no_worker_has_is_an_error_and_the_server_goes_on(server: Server) -> None:
    """What `doctor` gets from a server without syncfree."""
    with pytest.raises(urllib.error.HTTPError) as error:
        server.in_workers("syncfree_nothing")
    error.value.close()
    assert error.value.code == 500
    assert server.complete()


def test_completions_are_the_same_before_and_after_a_switch_in_the_running_server(server: Server) -> None:
    with_ours = server.complete()
    assert counts(server)["sync_free"] >= 6
    assert server.in_workers("syncfree_use", HOOK, "upstream") == [""]
    assert server.complete() == with_ours
    assert counts(server)["upstream"] >= 6
    (_, logprobs), _ = with_ours
    assert len(logprobs["top_logprobs"][0]) >= 3


def test_a_wrong_switch_is_answered_with_the_nearest_name_and_changes_nothing(server: Server) -> None:
    before = counts(server)
    (message,) = server.in_workers("syncfree_use", HOOK, "sync_fre")
    assert "did you mean 'sync_free'" in message
    assert counts(server) == before
