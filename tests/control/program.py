"""A process of a made-up engine, which the tests of control start: it serves until it is told to stop.

``python -m tests.control.program FOLDER [--threads N] [--ranks STORE RANK SIZE]``. With threads, each calls an ordinary hook all
the time and checks every result; with ranks, the steps of the engine are collectives over Gloo, and every result is checked.
Standard input has one word per line, each answered with a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import syncfree
from syncfree import hookimpl
from syncfree._runtime import RUNTIME
from syncfree.adapting import Binding, Form
from tests.unit.made_up import MadeUp

SOURCE = '''
def frames(decoded):
    return ["upstream", decoded]


def reduce(local, rank, size, group, device):
    import torch
    import torch.distributed as dist

    matrix = torch.zeros(len(local), size, dtype=torch.int32)
    matrix[:, rank] = torch.tensor(local, dtype=torch.int32)
    dist.all_reduce(matrix, group=group)
    return matrix


def exchange(tensors, group):
    import torch
    import torch.distributed as dist

    received = tuple(torch.empty_like(tensor) for tensor in tensors)
    for output, tensor in zip(received, tensors):
        dist.all_to_all_single(output, tensor.contiguous(), group=group)
    return received
'''
SOURCES = {"frames": "postprocess", "reduce": "dp_all_reduce", "exchange": "sequence_parallel_all_to_all"}


class Plugin:
    def __init__(self, name: str) -> None:
        self.name = name

    @hookimpl(exact=True)
    def postprocess(self, decoded: Any) -> Any:
        return [self.name, decoded]


class Broken:
    @staticmethod
    @hookimpl(implementation="no_such_module_at_all:postprocess")
    def postprocess(decoded: Any) -> Any:
        """Only declares."""


class Engine:
    """The framework, and what went wrong in its calls."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        made = MadeUp(folder, RUNTIME)
        sys.path.insert(0, str(folder))
        made.release("1.0", SOURCE)
        made.record(*(f"made_up.work:{name}" for name in SOURCES))
        made.install("1.0")
        forms = (Form(">=1.0,<2", "stalls", "it stalls", (lambda mine, theirs: mine,)),)
        made.adapter(*(Binding(hook, (f"made_up.work:{name}",), forms) for name, hook in SOURCES.items()))
        for name in ("first", "second"):
            syncfree.register(Plugin(name), name)
        syncfree.register(Broken(), "broken")
        syncfree.load("made_up")
        self.work = made.work()
        self.wrong: list[str] = []
        self.done = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def serve(self, step: Callable[[int, bool], bool]) -> None:
        def run() -> None:
            number, go_on = 0, True
            try:
                while go_on:
                    go_on = step(number, self._stop.is_set())
                    number += 1
                    self.done += 1
            except BaseException as error:  # noqa: BLE001 - it is told to the test
                self.wrong.append(f"step {number}: {type(error).__name__}: {error}")

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> bool:
        self._stop.set()
        deadline = time.monotonic() + 60
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def frames(self, number: int, stopping: bool) -> bool:
        time.sleep(0.0005)  # the machine has other tests to run
        plugin, value = self.work.frames(number)
        if plugin not in ("upstream", "first", "second") or value != number:
            self.wrong.append(f"frames({number}) returned {plugin}, {value}")
        return not stopping


def ranks_step(engine: Engine, rank: int, size: int) -> Callable[[int, bool], bool]:
    """One step of a rank: integers to all, then two tensors. All ranks stop at the same step."""
    import torch
    import torch.distributed as dist

    group = dist.group.WORLD

    def step(number: int, stopping: bool) -> bool:
        matrix = engine.work.reduce([number, rank + 7, int(stopping)], rank, size, group, "cpu").tolist()
        if matrix[:2] != [[number] * size, [other + 7 for other in range(size)]]:
            engine.wrong.append(f"reduce in step {number} returned {matrix}")
        time.sleep(0.001)
        tensors = tuple(torch.full((size, 2), float(rank + offset)) for offset in (number, number + 100))
        for offset, received in zip((number, number + 100), engine.work.exchange(tensors, None), strict=True):
            if received.tolist() != [[float(other + offset)] * 2 for other in range(size)]:
                engine.wrong.append(f"exchange in step {number} returned {received.tolist()}")
        return not any(matrix[2])

    return step


def report(engine: Engine) -> dict[str, Any]:
    entries = {entry.hook: entry for entry in syncfree.plan()}
    return {
        "pid": os.getpid(),
        "wrong": engine.wrong[:5],
        "done": engine.done,
        "timed": [hook for hook in SOURCES.values() if hook in RUNTIME.instrumentation.timed],
        "choices": {hook: entry.choice for hook, entry in entries.items()},
        **{
            counted: {
                hook: {name: getattr(count, of) for counts in entry.counts.values() for name, count in counts.items()}
                for hook, entry in entries.items()
            }
            for counted, of in (("counts", "calls"), ("declines", "declines"))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--ranks", nargs=3)
    options = parser.parse_args()
    engine = Engine(options.folder)
    for _ in range(options.threads):
        engine.serve(engine.frames)
    if options.ranks:
        import torch
        import torch.distributed as dist

        store, rank, size = options.ranks[0], int(options.ranks[1]), int(options.ranks[2])
        torch.set_num_threads(1)
        method = store if "://" in store else f"file://{store}"
        dist.init_process_group("gloo", init_method=method, rank=rank, world_size=size)
    print(json.dumps(report(engine)), flush=True)
    for line in sys.stdin:
        answer: Any = True
        word = line.strip()
        if word == "serve":
            engine.serve(ranks_step(engine, rank, size))
        elif word == "stop":
            answer = engine.stop()
        elif word == "fork":
            answer = forked()
        elif word == "compiled":
            import torch._dynamo.utils

            torch._dynamo.utils.counters["frames"]["total"] += 1
        print(json.dumps({"answer": answer, **report(engine)}), flush=True)
    os._exit(0 if engine.stop() else 3)


def forked() -> int:
    """Fork a child that lives until its parent ends it, and return its pid."""
    pid = os.fork()
    if pid == 0:
        while True:
            time.sleep(60)
    return pid


if __name__ == "__main__":
    main()
