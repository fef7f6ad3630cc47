"""The command that puts load on a job."""

from __future__ import annotations

import subprocess
import threading
import time
from typing import Any

import pytest

from syncfree.measuring import _load
from syncfree.measuring._load import Load


def test_a_load_that_is_being_started_when_the_block_ends_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process runs before the thread that starts it knows it."""
    runs, processes = threading.Event(), []
    popen = subprocess.Popen

    def slow(*arguments: Any, **options: Any) -> Any:
        process = popen(*arguments, **options)
        processes.append(process)
        runs.set()
        time.sleep(0.5)
        return process

    monkeypatch.setattr(_load.subprocess, "Popen", slow)
    try:
        with Load("exec sleep 600"):
            assert runs.wait(60)
        assert [process.poll() is None for process in processes] == [False]
    finally:
        for process in processes:
            process.kill()
            process.wait()
