"""The program of `test_threads_together`: ``python -m tests.unit.threads_together FOLDER SEED`` prints what it found as JSON."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import syncfree
from syncfree._runtime import RUNTIME
from syncfree.adapting import Binding, Form
from syncfree.fingerprints._fingerprint import fingerprint
from syncfree.fingerprints._releases import Releases, write_releases

from . import spawned
from .made_up import SLOW, MadeUp, compose_reduce
from .spawned import CALL

MODULES = 24
FORKS = 12
SECONDS_UNTIL_A_HANG = 120
# A child that imports what another thread imports during the fork waits for ever for a lock of that module, whose holder
# does not exist there: CPython gives a child only the global import lock anew. So children import a module of their own.
OF_CHILDREN = "made_up.of_children"


class Framework:
    """Many modules with one target each, so that imports go on while other threads plan and switch."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        self.made_up = MadeUp(folder, RUNTIME)
        self.made_up.release("1.0")
        self.made_up.record()
        self.made_up.install("1.0")
        self.names = [*(f"made_up.part_{number}" for number in range(MODULES - 1)), OF_CHILDREN]
        for name in self.names:
            (folder / f"{name.replace('.', '/')}.py").write_text(SLOW)
        record = fingerprint(SLOW, "reduce")
        assert record is not None
        seen = {f"{name}:reduce": {"1.0": record} for name in self.names}
        write_releases(folder / "made_up_adapter" / "releases.json", Releases("made_up", ("1.0",), seen, {}))
        form = Form(">=1.0,<2", "stalls", "it stalls", (compose_reduce,))
        self.made_up.adapter(*(Binding("dp_all_reduce", (target,), (form,)) for target in seen))
        importlib.import_module("made_up")


class Together:
    """Runs functions in threads that begin at once; keeps what they raise."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.children: list[str] = []
        self.stop = threading.Event()

    def run(self, works: list[Callable[[], None]], until: int) -> None:
        """Begin all; when the first ``until`` of them have ended, tell the others to stop."""
        barrier = threading.Barrier(len(works))

        def guarded(work: Callable[[], None]) -> None:
            barrier.wait(60)
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the test says what it was
                self.errors.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads[:until]:
            thread.join()
        self.stop.set()
        for thread in threads[until:]:
            thread.join()

    def fork(self) -> None:
        """Children plan, switch and call, then end with what they found."""
        for _ in range(FORKS):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                signal.alarm(60)  # faulthandler's own watchdog cannot be started again in a child
                status = "0"
                try:
                    syncfree.plan()
                    syncfree.use(dp_all_reduce="upstream")
                    if importlib.import_module(OF_CHILDREN).reduce(*CALL)[0] != "upstream":
                        status = "another choice"
                except BaseException as error:  # noqa: BLE001 - the parent says what it was
                    status = f"{type(error).__name__}: {error}"
                os.write(writer, status.encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as answer:
                self.children.append(answer.read())
            _, status_of_child = os.waitpid(child, 0)
            if status_of_child:
                self.errors.append(f"a child ended with wait status {status_of_child}")


def main(folder: Path, seed: int) -> dict[str, Any]:
    """Run everything at once; return what is there afterwards."""
    faulthandler.dump_traceback_later(SECONDS_UNTIL_A_HANG, exit=True)
    sys.setswitchinterval(1e-5)
    os.environ["SYNCFREE_PLUGINS"] = "first,second"
    spawned.register()
    framework = Framework(folder)
    together = Together()
    draw = random.Random(seed)
    orders = [draw.sample(framework.names[:-1], MODULES - 1) for _ in range(2)]

    def importing(order: list[str]) -> None:
        for name in order:
            module = importlib.import_module(name)
            assert module.reduce(*CALL)[0] in ("first", "second", "upstream")

    def toggling() -> None:
        while not together.stop.is_set():
            for choice in ("second", "upstream", "first"):
                with syncfree.use(dp_all_reduce=choice):
                    pass

    def reading() -> None:
        while not together.stop.is_set():
            assert len(syncfree.plan().entries) in (0, MODULES)
            syncfree.counters()

    works: list[Callable[[], None]] = [
        lambda: importing(orders[0]),
        lambda: importing(orders[1]),
        lambda: (syncfree.load("made_up"), None)[1],
        together.fork,
        toggling,
        reading,
    ]
    together.run(works, until=4)
    importlib.import_module(OF_CHILDREN)
    entries = syncfree.plan().entries
    results = [sys.modules[name].reduce(*CALL)[0] for name in framework.names]
    left = syncfree.restore()
    back = [sys.modules[name].reduce(*CALL)[0] for name in framework.names]
    return {
        "errors": together.errors,
        "forks": FORKS,
        "children": together.children,
        "modules": MODULES,
        "states": [entry.state for entry in entries],
        "results": results,
        "restored": left == () and back == ["upstream"] * MODULES,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
