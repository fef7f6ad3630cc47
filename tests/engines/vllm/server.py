"""`vllm serve` with a tiny Llama on this machine, for tests, the soak and the demo."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import run

SECONDS_TO_START = 600
COMPLETION = {"temperature": 0, "max_tokens": 6, "logprobs": 3, "logprob_token_ids": [5, 7, 300]}
"""What makes the sampler gather the logprobs of named tokens, the work of `sampler_logprob_gather`."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A running server.

    Attributes:
        address: the beginning of its URLs.
        run_directory: where the sockets of its processes are.
        process: the one that was started; the others are in its process group.
        headers: of each request.
    """

    def __init__(self, port: int, run_directory: Path, process: subprocess.Popen[bytes], headers: Mapping[str, str]) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.run_directory = run_directory
        self.process = process
        self.headers = dict(headers)

    def post(self, path: str, **body: Any) -> Any:
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **self.headers}
        return json.loads(self._answer(urllib.request.Request(f"{self.address}{path}", data, headers)))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        sent = self.headers if headers is None else headers
        return json.loads(self._answer(urllib.request.Request(f"{self.address}{path}", headers=dict(sent))))

    def text(self, path: str) -> str:
        """Return what a GET of this path answers."""
        return self._answer(urllib.request.Request(f"{self.address}{path}", headers=self.headers))

    def _answer(self, request: urllib.request.Request) -> str:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def in_workers(self, method: str, *arguments: Any) -> list[Any]:
        return list(self.post("/collective_rpc", method=method, args=list(arguments))["results"])

    def complete(self) -> list[Any]:
        answer = self.post("/v1/completions", model="tiny", prompt=["hello world", "lazy dog"], **COMPLETION)
        return [(choice["text"], choice["logprobs"]) for choice in answer["choices"]]


    def resident(self) -> dict[int, int]:
        """Return the resident bytes of each process of the server."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError, ValueError, KeyError):
                if os.getpgid(int(status.parent.name)) == self.process.pid:
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                    found[int(status.parent.name)] = int(fields["VmRSS"].split()[0]) << 10
        return found


@contextmanager
def served(folder: Path, *options: str, headers: Mapping[str, str] | None = None, **variables: str) -> Iterator[Server]:
    """Start a server with an implementation of `sampler_logprob_gather` chosen, and end it."""
    python, port, log, run_directory = run.python(), free_port(), folder / "log", folder / "run"
    limits = ["--max-model-len", "256", "--kv-cache-memory-bytes", str(64 << 20), "--max-num-seqs", "8"]
    extension = ["--worker-extension-cls", "worker_extension.Registry", "--served-model-name", "tiny"]
    command = [python, python.with_name("vllm"), "serve", run.model("llama"), "--port", str(port), "--dtype", "float32"]
    chosen = {"SYNCFREE_SAMPLER_LOGPROB_GATHER": "sync_free", "SYNCFREE_CONTROL": str(run_directory), **variables}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--enforce-eager", *limits, *extension, *options],
            env=run.environment(VLLM_SERVER_DEV_MODE="1", **chosen),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server, deadline = Server(port, run_directory, process, headers or {}), time.monotonic() + SECONDS_TO_START
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


def command(*words: str, timeout: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in the server's environment."""
    program = [run.python().with_name("syncfree"), *words]
    environment = run.environment(COLUMNS="200", **variables)
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
