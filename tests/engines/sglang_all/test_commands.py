"""`sglang generate` and `sglang serve`, two Ulysses ranks: every process is entered one way, and the workers run our hooks."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from packaging.version import Version

from tests.engines.sglang.engine import EXCHANGE, RANKS, TIMEOUT_S, Run, collected, free_port, started, variables_of
from tests.engines.sglang.server import POLL_S, REQUEST, ask, command_of, status, until

RELEASES = ("0.5.11", "0.5.20", "0.5.21", "0.5.23")
"""The oldest and the newest that are entered through ``syncfree.pth``, and through SGLang's plugins."""
NAMED = {"SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL": "packed_all_to_all"}



@pytest.fixture(scope="module", params=RELEASES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def check(run: Run, version: str) -> None:
    """Both workers exchanged through what was chosen; every process was entered once, by one way, and said so once."""
    assert sorted(run.reports[-1]) == [0, 1], run.log[-3000:]
    assert all(calls > 0 for calls in run.calls(-1, "packed_all_to_all"))
    assert run.entered_once(version), run.ways
    assert len(run.lines) == len(run.ways) >= 1 + RANKS
    assert all(f"{EXCHANGE}=packed_all_to_all" in line for line in run.lines)


def test_generate(version: str, tmp_path: Path) -> None:
    variables = variables_of(version, tmp_path) | NAMED
    request = ["--prompt", REQUEST["prompt"], "--height", 64, "--width", 64, "--num-frames", 5, "--num-inference-steps", 2]
    command = [*command_of(version, "generate"), *request, "--seed", 0, "--output-path", tmp_path / "videos"]
    with started(command, tmp_path, variables) as process:
        code = process.wait(TIMEOUT_S)
    run = collected(tmp_path, 1, code, [])
    assert code == 0, run.log[-3000:]
    check(run, version)


def test_serve(version: str, tmp_path: Path) -> None:
    port = free_port()
    command = [*command_of(version, "serve"), "--host", "127.0.0.1", "--port", port]
    if Version(version) >= Version("0.5.20"):
        command += ["--warmup-mode", "off"]  # its warm-up is a full-size video: longer than this test waits
    with started(command, tmp_path, variables_of(version, tmp_path) | NAMED) as process:
        base = f"http://127.0.0.1:{port}"
        until(lambda: ask(f"{base}/health") is not None, lambda: process.poll() is None, tmp_path)
        video = ask(f"{base}/v1/videos", REQUEST)
        assert video is not None
        until(lambda: status(base, video["id"]) == "completed", lambda: process.poll() is None, tmp_path)
        process.send_signal(signal.SIGINT)
        time.sleep(POLL_S)
    check(collected(tmp_path, 1, 0, []), version)
