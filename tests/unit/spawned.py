"""The work of child processes in the tests of processes."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import syncfree
from syncfree import hookimpl

CALL = ([1, 2], 0, 1, None, "cpu")


class First:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ["first", local, rank]


class Second:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ["second", local, rank]


class Blocking:
    """A plugin whose call lasts until it is told to go on."""

    def __init__(self, entered: threading.Event, go_on: threading.Event) -> None:
        self._entered = entered
        self._go_on = go_on

    @hookimpl(exact=True)
    def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        self._entered.set()
        assert self._go_on.wait(60)
        return ["blocking", local, rank]


def register() -> None:
    """Take in the plugins ``first`` and ``second``."""
    syncfree.register(First(), "first")
    syncfree.register(Second(), "second")


def report(sender: Connection, choice: str | None = None) -> None:
    """Send back what this process does, after a switch if one is asked for."""
    if choice is not None:
        syncfree.use(dp_all_reduce=choice)
    result = sys.modules["made_up.work"].reduce(*CALL)
    plan = syncfree.plan()
    entry = plan.entry("dp_all_reduce")
    found = {"manifest": plan.manifest, "choice": entry.choice, "source": entry.source, "result": result, "pid": os.getpid()}
    sender.send(found)


def load_and_report(sender: Connection, folder: str) -> None:
    """Begin anew in a process that knows nothing but its environment: find the framework, load, send back."""
    from syncfree._runtime import RUNTIME

    from .made_up import MadeUp, reduce_binding

    sys.path.insert(0, folder)
    register()
    made_up = MadeUp(Path(folder), RUNTIME)
    made_up.adapter(reduce_binding())
    syncfree.load("made_up")
    made_up.work()
    report(sender)
