"""Start `sglang` commands and ask `sglang serve` for videos."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.engines.sglang.engine import RANKS, TIMEOUT_S, free_port
from tests.environments import release, wheel
from tests.models import tiny_model

REQUEST: dict[str, Any] = {
    "prompt": "a raccoon",
    "size": "64x64",
    "num_frames": 5,
    "num_inference_steps": 2,
    "seed": 0,
    "generator_device": "cpu",
}
POLL_S = 0.5


def command_of(version: str, name: str) -> list[object]:
    """`sglang NAME` of a release with the tiny video model on two Ulysses ranks."""
    sglang = release("sglang", version, wheel()).with_name("sglang")
    degrees = ["--num-gpus", RANKS, "--sp-degree", RANKS, "--ulysses-degree", RANKS, "--tp-size", 1]
    ports = ["--master-port", free_port(), "--scheduler-port", free_port()]
    return [sglang, name, "--model-path", tiny_model("wan"), *degrees, *ports, "--attention-backend", "torch_sdpa"]


def status(base: str, video: str) -> str:
    """Return what the server says of a video that was asked for; an error where it failed."""
    found = ask(f"{base}/v1/videos/{video}")
    assert found is not None
    assert found["status"] != "failed", found
    return str(found["status"])


def ask(url: str, request: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """The server's answer; None while it does not answer."""
    data = None if request is None else json.dumps(request).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=30
        ) as answer:
            return dict(json.loads(answer.read() or b"{}"))
    except urllib.error.HTTPError as error:
        if error.code == 503:  # still starting
            return None
        raise
    except (urllib.error.URLError, ConnectionError):
        return None


def until(done: Any, alive: Any, folder: Path) -> None:
    """Wait until something holds, for as long as the server lives."""
    deadline = time.monotonic() + TIMEOUT_S
    while not done():
        assert alive(), (folder / "log").read_text()[-3000:]
        assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
        time.sleep(POLL_S)
