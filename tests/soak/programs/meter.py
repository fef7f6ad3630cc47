"""Threads beside a running engine that toggle, read plans and counters, and measure; one JSON object a second to a file.

A line has seconds, resident bytes, bytes that syncfree's own code has allocated (``traced``), blocks of Python's allocator,
what the threads did so far, and what went wrong. Objects are not counted: in CPython a walk of ``gc.get_objects`` makes a
``tuple(...)`` that another thread is building fail.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import syncfree

READERS = 3


class Meter:
    """The threads of one process; `hooks` are toggled, to every exact implementation that fits, upstream and the default."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self._file = (folder / f"meter-{os.getpid()}.jsonl").open("w", buffering=1)
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self.done = {"toggles": 0, "blocks": 0, "plans": 0, "counters": 0}
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._guarded, args=(self._toggle,), daemon=True)]
        self._threads += [threading.Thread(target=self._guarded, args=(self._read,), daemon=True) for _ in range(READERS)]
        self._threads.append(threading.Thread(target=self._guarded, args=(self._measure,), daemon=True))

    def start(self) -> None:
        tracemalloc.start(1)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads, go back to the default, and write a last line."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        if any(thread.is_alive() for thread in self._threads):
            self.wrong.append("a thread did not end")
        self._sample()

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
            self.wrong.append(f"{work.__name__}: {type(error).__name__}: {error}")
            self._file.write(json.dumps({"wrong": self.wrong}) + "\n")

    def _toggle(self) -> None:
        while not self._stop.wait(self._random.uniform(0.0, 0.05)):
            choices = _choices()
            hooks = self._random.sample(sorted(choices), self._random.randint(1, len(choices)))
            chosen = {hook: self._random.choice(choices[hook]) for hook in hooks}
            if self._random.random() < 0.5:
                with syncfree.use(**chosen):
                    self._stop.wait(self._random.uniform(0.0, 0.02))
                self.done["blocks"] += 1
            else:
                syncfree.use(**chosen)
                syncfree.use(**dict.fromkeys(chosen, "default"))
                self.done["toggles"] += 2

    def _read(self) -> None:
        before: dict[tuple[str, str, str], int] = {}
        while not self._stop.wait(0.002):
            plan = syncfree.plan()
            plan.as_dict()
            self.done["plans"] += 1
            if any(entry.state not in ("bound", "not bound", "waiting") for entry in plan if entry.verdict == "stalls"):
                self.wrong.append(str([(entry.hook, entry.state, entry.reason) for entry in plan]))
            before = self._counted(before)
            self.done["counters"] += 1

    def _counted(self, before: dict[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
        now = {
            (hook, target, choice): counts.calls
            for hook, targets in syncfree.counters().items()
            for target, by_choice in targets.items()
            for choice, counts in by_choice.items()
        }
        backwards = {key: (calls, now.get(key, 0)) for key, calls in before.items() if now.get(key, 0) < calls}
        if backwards:
            self.wrong.append(f"counters went backwards: {backwards}")
        return now

    def _measure(self) -> None:
        while not self._stop.wait(1.0):
            self._sample()

    def _sample(self) -> None:
        calls = dict.fromkeys(("ours", "upstream"), 0)
        for entry, counts in _counts():
            calls["upstream" if entry == "upstream" else "ours"] += counts
        line: dict[str, Any] = {
            "seconds": time.monotonic(),
            "resident": _resident(),
            "traced": _traced(),
            "blocks": sys.getallocatedblocks(),
        }
        line |= {"done": self.done, "calls": calls, "threads": threading.active_count(), "wrong": self.wrong[:5]}
        self._file.write(json.dumps(line) + "\n")


def _counts() -> Any:
    for by_target in syncfree.counters().values():
        for by_choice in by_target.values():
            for choice, counts in by_choice.items():
                yield choice, counts.calls


def _choices() -> dict[str, list[str]]:
    """Return what each bound hook may be switched to without a change of any bit; lockstep hooks are switched elsewhere."""
    from syncfree._runtime import RUNTIME

    found: dict[str, list[str]] = {}
    for entry in syncfree.plan():
        if entry.state == "bound" and not entry.lockstep:
            candidates = [c for c in RUNTIME.plugins().candidates(entry.hook) if c.declaration.exact and not c.lockstep]
            found[entry.hook] = [*(c.plugin for c in candidates if not c.missing()), "upstream", "default"]
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _traced() -> int:
    """Bytes that are alive and were allocated by a line of syncfree; every tenth second only, because it walks all traces."""
    global _last
    if next(_turn) % 10 == 0:
        snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/syncfree/*")])
        _last = sum(statistic.size for statistic in snapshot.statistics("filename"))
    return _last


_turn = itertools.count()
_last = 0
