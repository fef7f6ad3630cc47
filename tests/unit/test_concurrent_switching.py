"""A switch is made as a whole or not at all, beside other threads and in the middle of other work."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import pytest

import syncfree
from syncfree import SelectionError, _patch, hookimpl
from syncfree._discovery import discover

from . import spawned
from .made_up import GATHER, REDUCE, MadeUp
from .spawned import CALL


def test_blocks_that_overlap_in_two_threads_take_out_their_own_choice_only(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    syncfree.use(dp_all_reduce="upstream")
    began, ended = threading.Event(), threading.Event()

    def overlap() -> None:
        with syncfree.use(dp_all_reduce="second"):
            began.set()
            assert ended.wait(60)

    thread = threading.Thread(target=overlap)
    with syncfree.use(dp_all_reduce="first"):
        thread.start()
        assert began.wait(60)
        assert work.reduce(*CALL)[0] == "second"
    assert work.reduce(*CALL)[0] == "second"
    ended.set()
    thread.join()
    assert work.reduce(*CALL)[0] == "upstream"


def test_a_switch_from_a_signal_handler_that_interrupts_a_switch_changes_nothing_and_says_so(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    answers: list[str] = []

    def handler(number: int, frame: Any) -> None:
        assert syncfree.plan().loaded == ("made_up",)
        with pytest.raises(SelectionError) as refused:
            syncfree.use(dp_all_reduce="second")
        answers.append(str(refused.value))

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with two.runtime._locks.changing():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "interrupts a change that the same thread is making" in answers[0]
    assert work.reduce(*CALL)[0] == "first"
    syncfree.use(dp_all_reduce="second")
    assert work.reduce(*CALL)[0] == "second"


def test_a_plan_is_told_while_another_thread_waits_for_other_ranks(two: MadeUp) -> None:
    two.work()
    syncfree.load("made_up")
    waiting, answered = threading.Event(), threading.Event()

    def agree() -> None:
        with two.runtime._locks.changing():
            waiting.set()
            assert answered.wait(60)

    thread = threading.Thread(target=agree)
    thread.start()
    assert waiting.wait(60)
    try:
        assert {entry.state for entry in syncfree.plan()} == {"bound"}
        assert set(syncfree.counters()["dp_all_reduce"]) == {REDUCE, GATHER}
    finally:
        answered.set()
        thread.join()


def test_what_is_asked_in_the_middle_of_discovering_plugins_does_not_stand_for_what_was_discovered(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin or a finder may ask for the plan then, while other plugins are only half imported."""
    answers: list[int] = []

    def asking(environ: Any, registered: Any) -> Any:
        if answers:
            return discover(environ, ())  # half of it
        answers.append(0)
        answers.append(len(syncfree.plan().entries))
        return discover(environ, registered)

    monkeypatch.setattr("syncfree._catalogue.discover", asking)
    spawned.register()
    assert "first" in made_up.runtime.plugins().implementations["dp_all_reduce"]
    assert answers == [0, 0]


def test_a_finalizer_that_switches_while_its_thread_prepares_a_switch_cannot_keep_it_from_ending(two: MadeUp) -> None:
    work = two.work()
    syncfree.load("made_up")
    refused: list[str] = []

    class Switching:
        """What a callback of the garbage collector does in the middle of a preparation."""

        @hookimpl(exact=True, implementation="switching_implementation:dp_all_reduce")
        def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
            """Only declares."""

    (two.folder / "switching_implementation.py").write_text(
        "import syncfree\n"
        "try:\n    syncfree.use(dp_all_reduce='second')\n"
        "except syncfree.SelectionError as error:\n    refused = str(error)\n"
        "def dp_all_reduce(local, rank, size, group, device):\n    return ['switching']\n"
    )
    syncfree.restore()
    two.runtime.forget_selection()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNCFREE_PLUGINS", "first,second,raising,switching")
        syncfree.register(Switching(), "switching")
        syncfree.load("made_up")
        syncfree.use(dp_all_reduce="switching")
    refused.append(sys.modules["switching_implementation"].refused)
    assert "while the same thread prepares a change" in refused[0]
    assert work.reduce(*CALL) == ["switching"]


def test_a_load_ends_while_another_thread_switches_all_the_time(two: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each switch has the load prepared again; after some rounds the switches wait for it."""
    two.work()
    stop, switched = threading.Event(), threading.Event()

    def switching() -> None:
        while not stop.is_set():
            syncfree.use(dp_all_reduce="second")
            switched.set()

    make_patches = _patch.make_patches

    def slow(*arguments: Any) -> Any:
        switched.clear()
        switched.wait(0.5)  # another switch comes first, unless it waits for this load
        return make_patches(*arguments)

    monkeypatch.setattr(_patch, "make_patches", slow)
    thread = threading.Thread(target=switching)
    thread.start()
    try:
        syncfree.load("made_up")
    finally:
        stop.set()
        thread.join()
    assert syncfree.plan().loaded == ("made_up",)
