"""`vllm serve`, as it is built for CUDA, in the dry run: the completions of a CPU over HTTP, and the waits of all its processes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.engines.sglang.engine import free_port
from tests.environments import cuda_release, wheel
from tests.models import tiny_model

from .records import place
from .running import SECONDS, environment

RELEASE = "0.32.0"
STEPS = 8
"""Tokens of each request; a step makes one."""
GET_OUTPUT = "/vllm/v1/worker/gpu/async_utils.py get_output"


def asked(address: str, **body: Any) -> Any:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def takes_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[int]], dict[str, Any]]:
    """The tokens of four completions, one after the other, and the report."""
    folder = tmp_path_factory.mktemp("served")
    python, port, report, log = cuda_release("vllm", RELEASE, wheel()), free_port(), folder / "audit.json", folder / "log"
    limits = ("--max-model-len", "256", "--num-gpu-blocks-override", "64", "--max-num-seqs", "8", "--max-num-batched-tokens", "256")
    options = ("--dtype", "float16", "--enforce-eager", "--gpu-memory-utilization", "0.5", "--served-model-name", "tiny", *limits)
    serve = (python, python.with_name("vllm"), "serve", tiny_model("llama"), "--port", str(port), *options)
    command = (python, "-m", "syncfree.audit", "--backend", "dry-run", "--values", "--json", report, "--", *serve)
    variables = environment(VLLM_USE_FLASHINFER_SAMPLER="0", VLLM_LOGGING_LEVEL="WARNING", VLLM_USE_V2_MODEL_RUNNER="1")
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        # A shell's background job ignores SIGINT, and so would the server.
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT, preexec_fn=takes_interrupts)
    try:
        deadline = time.monotonic() + SECONDS
        while not is_ready(address):
            text = log.read_text(errors="replace")[-6000:]
            assert process.poll() is None, f"the server ended:\n{text}"
            assert time.monotonic() < deadline, f"the server is not ready after {SECONDS} s:\n{text}"
            time.sleep(0.5)
        body = {"model": "tiny", "temperature": 0, "max_tokens": STEPS, "ignore_eos": True, "return_token_ids": True}
        answers = [asked(f"{address}/v1/completions", prompt=[5 + index, 6, 7, 8], **body) for index in range(4)]
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    return [list(answer["choices"][0]["token_ids"]) for answer in answers], json.loads(report.read_text())


def test_completions_are_those_of_the_cpu(served: tuple[list[list[int]], dict[str, Any]], on_the_cpu: list[list[int]]) -> None:
    tokens, _ = served
    assert tokens == on_the_cpu


def test_the_report_has_the_engine_and_the_server_with_their_waits(served: tuple[list[list[int]], dict[str, Any]]) -> None:
    _, report = served
    waits = [[place(sync["stack"][0]) for sync in process["syncs"]] for process in report["processes"]]
    of_steps = [sum(where.endswith(GET_OUTPUT) for where in places) for places in waits]
    assert sorted(of_steps)[:-1] == [0] * (len(waits) - 1)
    assert max(of_steps) >= 4 * STEPS, "the engine's process waits for each step's tokens"
    assert [] in waits, "the process that answers HTTP does not wait for the device"
    assert report["unaudited"] == []
