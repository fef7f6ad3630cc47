"""Forked and spawned processes, and threads."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import syncfree

from . import spawned
from .made_up import REDUCE, MadeUp, reduce_binding
from .spawned import CALL, report

# Python 3.12 and later warn of it; that such a child works is what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def answer_of(method: str, target: Any, *arguments: Any) -> Any:
    """Return what a child process sends back."""
    context: Any = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(sender, *arguments))
    child.start()
    sender.close()
    try:
        assert receiver.poll(60), "the child did not answer"
        return receiver.recv()
    finally:
        child.join(60)
        assert child.exitcode == 0


@pytest.fixture
def ready(made_up: MadeUp) -> MadeUp:
    """A release that stalls, recorded and installed, and two plugins."""
    spawned.register()
    made_up.release("1.0")
    made_up.record(REDUCE)
    made_up.install("1.0")
    made_up.adapter(reduce_binding())
    return made_up


def test_a_forked_child_has_the_parents_plan(ready: MadeUp) -> None:
    work = ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="second")
    assert work.reduce(*CALL)[0] == "second"
    child = answer_of("fork", report)
    plan = syncfree.plan()
    assert child["manifest"] == plan.manifest
    assert child["choice"] == "second"
    assert child["result"][0] == "second"
    assert child["pid"] != plan.pid


def test_what_a_forked_child_switches_stays_in_the_child(ready: MadeUp) -> None:
    work = ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="first")
    assert answer_of("fork", report, "upstream")["result"][0] == "upstream"
    assert work.reduce(*CALL)[0] == "first"


def test_a_child_forked_while_a_thread_switches_can_still_switch(ready: MadeUp) -> None:
    """The thread that held the lock does not exist in the child."""
    ready.work()
    syncfree.load("made_up")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with ready.runtime._locks.changing():
            held.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    try:
        assert answer_of("fork", report, "second")["choice"] == "second"
    finally:
        release.set()
        thread.join()


@pytest.mark.parametrize("choice", ["first", "second", "upstream"])
def test_a_spawned_child_finds_its_own_plan(ready: MadeUp, monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    """It takes nothing over from its parent but the environment."""
    ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="first")
    monkeypatch.setenv("SYNCFREE_DP_ALL_REDUCE", choice)
    child = answer_of("spawn", spawned.load_and_report, str(ready.folder))
    assert child["choice"] == choice
    assert child["source"] == "SYNCFREE_DP_ALL_REDUCE"
    assert child["result"][0] == choice


def test_a_switch_in_one_thread_does_not_tear_a_call_in_another(ready: MadeUp) -> None:
    """Every call is one implementation's from beginning to end, and the next one is the new choice's."""
    work = ready.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="first")
    whole = {"first": ["first", [1, 2], 0], "second": ["second", [1, 2], 0], "upstream": ["upstream", [1, 2], 0, 1]}
    stop = threading.Event()
    results: tuple[list[Any], list[Any]] = ([], [])

    def call(mine: list[Any]) -> None:
        while not stop.is_set():
            mine.append(work.reduce(*CALL))

    def wait_for_two_more(mine: list[Any], before: int) -> None:
        deadline = time.monotonic() + 60
        while len(mine) < before + 2 and time.monotonic() < deadline:
            time.sleep(0)

    threads = [threading.Thread(target=call, args=(mine,)) for mine in results]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for choice in ("second", "upstream", "first") * 20:
            syncfree.use(dp_all_reduce=choice)
            for mine in results:
                before = len(mine)
                wait_for_two_more(mine, before)
                assert mine[before + 1] == whole[choice]  # the one before it may have begun before the switch
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert all(result == whole[result[0]] for mine in results for result in mine)


def test_a_call_under_way_ends_in_the_implementation_that_it_began_in(ready: MadeUp) -> None:
    entered, go_on = threading.Event(), threading.Event()
    work = ready.work()
    syncfree.register(spawned.Blocking(entered, go_on), "blocking")
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="blocking")
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work.reduce(*CALL)))
    thread.start()
    assert entered.wait(60)
    syncfree.use(dp_all_reduce="second")
    assert work.reduce(*CALL)[0] == "second"
    go_on.set()
    thread.join(60)
    assert results == [["blocking", *CALL[:2]]]


def test_a_child_that_was_forked_in_the_middle_of_an_import_binds_nothing_that_could_wait_for_it(tmp_path: Path) -> None:
    """A module lock that another thread held at the fork is never released in the child."""
    (tmp_path / "slow_import.py").write_text("import meeting; meeting.half.set(); assert meeting.go.wait(60)\n")
    (tmp_path / "meeting.py").write_text("import threading\nhalf, go = threading.Event(), threading.Event()\n")
    program = """
import meeting, os, threading
from syncfree._runtime import RUNTIME

def flag_of_child():
    if (child := os.fork()) == 0:
        os._exit(int(RUNTIME._locks.forked_during_import))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

calm = flag_of_child()
thread = threading.Thread(target=__import__, args=("slow_import",))
thread.start()
assert meeting.half.wait(60)
during = flag_of_child()
meeting.go.set()
thread.join()
print(calm, during, flag_of_child())
"""
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout == "0 1 0\n"
