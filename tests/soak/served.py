"""A real `vllm serve` under steady load while it is toggled: ``python -m tests.soak.served [--requests 2000] [--toggles 200]``.

Threads send completions whose sampling calls the hook; meanwhile all processes of the server are switched between upstream and
our implementation, at equal distances. Every answer must equal the one before the first toggle, every toggle must switch all
processes, and no process may have grown between the first fifth of the requests, after which allocators have found their
size, and the end. Exits with 1 otherwise. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from syncfree.control._client import find
from syncfree.control._toggle import toggle
from tests.engines.vllm.server import Server, served

from .growth import LIMITS

HOOK = "sampler_logprob_gather"
THREADS = 4
SECONDS_TO_SWITCH = 20.0


class Load:
    """Threads that send requests, and what went wrong."""

    def __init__(self, server: Server, requests: int) -> None:
        self._server = server
        self._requests = requests
        self._numbers = count()
        self._expected = server.complete()
        self.done = 0
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def wait_for(self, number: float) -> None:
        """Wait until so many requests are answered, or all threads have ended."""
        while self.done < number and self.is_running:
            time.sleep(0.01)

    def _send(self) -> None:
        while next(self._numbers) < self._requests:
            try:
                answer = self._server.complete()
            except (OSError, ValueError) as error:
                self.wrong.append(f"a request failed: {error}")
            else:
                self.wrong += [] if answer == self._expected else [f"an answer differs: {answer}"]
            self.done += 1


def soaked(server: Server, requests: int, toggles: int) -> dict[str, Any]:
    """Send requests and toggle; return what happened."""
    entries = find({"SYNCFREE_CONTROL": str(server.run_directory)}).entries
    load, began, seconds, problems = Load(server, requests), time.monotonic(), [], []
    before: dict[int, int] = {}
    load.start()
    for number in range(toggles):
        load.wait_for(requests * number / toggles)
        if not before and number >= toggles / 5:
            before = server.resident()
        outcome = toggle(entries, {HOOK: ("upstream", "sync_free")[number % 2]}, SECONDS_TO_SWITCH)
        seconds.append(outcome.seconds)
        problems += [f"toggle {number}: {problem}" for problem in outcome.problems]
    load.wait_for(requests)
    grown = {pid: bytes_ - before[pid] for pid, bytes_ in server.resident().items() if pid in before}
    problems += load.wrong
    problems += [f"process {pid} grew by {growth >> 20} MiB" for pid, growth in grown.items() if growth > LIMITS["resident"]]
    problems += [] if grown else ["no process was measured"]
    return {
        "requests": load.done,
        "toggles": toggles,
        "processes": len(entries),
        "seconds": round(time.monotonic() - began, 1),
        "toggle_ms": {"median": round(1000 * median(seconds), 1), "most": round(1000 * max(seconds), 1)},
        "resident_mib": {str(pid): round(bytes_ / (1 << 20)) for pid, bytes_ in before.items()},
        "grown_mib": {str(pid): round(growth / (1 << 20), 1) for pid, growth in grown.items()},
        "problems": problems[:20],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.served", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--toggles", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-served-") as folder, served(Path(folder)) as server:
        found = soaked(server, options.requests, options.toggles)
    print(json.dumps(found))
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
