"""`sglang serve` of a tiny video model on two ranks: the exchange is toggled from another shell while requests run."""

from __future__ import annotations

import urllib.request
from itertools import cycle, islice
from pathlib import Path

from syncfree.control._client import find
from syncfree.control._toggle import Outcome, toggle
from tests.control.jobs import eventually
from tests.engines.sglang.engine import EXCHANGE, RANKS, collected, free_port, started, variables_of
from tests.engines.sglang.server import REQUEST, ask, command_of, status, until

RELEASE = "0.5.23"
CHOICES = ("packed_all_to_all", "upstream", "sync_free")
TOGGLES = 12


def test_toggles_while_requests_run_change_no_video(tmp_path: Path) -> None:
    port, run_directory = free_port(), tmp_path / "run"
    command = [*command_of(RELEASE, "serve"), "--host", "127.0.0.1", "--port", port, "--warmup-mode", "off"]
    named = {"SYNCFREE_SEQUENCE_PARALLEL_ALL_TO_ALL": "sync_free", "SYNCFREE_CONTROL": str(run_directory)}
    base = f"http://127.0.0.1:{port}"

    def asked() -> str:
        video = ask(f"{base}/v1/videos", REQUEST)
        assert video is not None
        return str(video["id"])

    def is_made(video: str) -> bool:
        return status(base, video) == "completed"

    def content(video: str) -> bytes:
        with urllib.request.urlopen(f"{base}/v1/videos/{video}/content", timeout=60) as answer:
            return bytes(answer.read())

    def switched(choice: str) -> Outcome:
        return toggle(find({"SYNCFREE_CONTROL": str(run_directory)}).entries, {EXCHANGE: choice}, 60.0)

    with started(command, tmp_path, variables_of(RELEASE, tmp_path) | named) as process:
        until(lambda: ask(f"{base}/health") is not None, lambda: process.poll() is None, tmp_path)
        first = asked()
        until(lambda: is_made(first), lambda: process.poll() is None, tmp_path)
        expected = content(first)
        assert len(expected) > 500
        running, made = asked(), 0
        for choice in islice(cycle(CHOICES), TOGGLES):
            outcome = switched(choice)
            assert outcome.switched, outcome
            if is_made(running):
                assert content(running) == expected
                running, made = asked(), made + 1
        eventually(lambda: is_made(running), 300.0)
        assert content(running) == expected
    run = collected(tmp_path, 1, 0, [])
    assert made + 2 == len(run.reports)
    for choice in CHOICES:
        calls = run.calls(-1, choice)
        assert len(calls) == RANKS
        assert min(calls) > 0, choice
        assert len(set(calls)) == 1
