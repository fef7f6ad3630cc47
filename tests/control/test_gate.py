"""The gate in front of slots."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from syncfree._slot import Slot
from syncfree.control._gate import Gate, Standing

from .jobs import eventually


def upstream(value: int, *, scale: int = 1) -> int:
    if value < 0:
        return NotImplemented
    return value * scale


def slot() -> Slot:
    return Slot(upstream, lambda mine, theirs: mine)  # type: ignore[arg-type]


def calling(bound: Any, results: list[int]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.append(bound(3, scale=2)), daemon=True)
    thread.start()
    return thread


def test_calls_before_the_held_one_pass_and_are_counted_once() -> None:
    made = slot()
    gate = Gate([made])
    made.bound(1)
    gate.install()
    gate.hold(3)
    assert [made.bound(2, scale=5), made.bound(3)] == [10, 3]
    assert gate.standing() == Standing(calls=3, inside=0, held=0)
    results: list[int] = []
    thread = calling(made.bound, results)
    eventually(lambda: gate.standing() == Standing(calls=3, inside=0, held=1))
    gate.remove()
    gate.open()
    thread.join(20)
    assert results == [6]
    assert made.counts()["upstream"].calls == 4


def test_a_later_call_to_hold_lets_the_held_ones_pass() -> None:
    made = slot()
    gate = Gate([made])
    gate.install()
    gate.hold(0)
    results: list[int] = []
    thread = calling(made.bound, results)
    eventually(lambda: gate.standing().held)
    gate.hold(1)
    thread.join(20)
    assert results == [6]
    assert gate.standing() == Standing(calls=1, inside=0, held=0)
    gate.remove()
    gate.open()


def test_a_call_that_began_before_the_gate_is_inside_until_it_ends() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(value: int) -> int:
        entered.set()
        go_on.wait(20)
        return value

    made = Slot(slow, lambda mine, theirs: mine)  # type: ignore[arg-type]
    thread = threading.Thread(target=made.bound, args=(1,), daemon=True)
    thread.start()
    assert entered.wait(20)
    gate = Gate([made])
    gate.install()
    assert gate.standing() == Standing(calls=1, inside=1, held=0)
    go_on.set()
    thread.join(20)
    assert gate.standing() == Standing(calls=1, inside=0, held=0)
    gate.remove()
    gate.open()


def test_after_the_gate_the_slot_calls_what_it_called_before() -> None:
    made = slot()
    before = made.current
    gate = Gate([made])
    gate.install()
    assert made.current is not before
    gate.remove()
    gate.open()
    assert made.current is before


def test_what_an_implementation_raises_and_declines_passes_through() -> None:
    made = slot()
    gate = Gate([made])
    gate.install()
    assert made.bound(-1) is NotImplemented
    with pytest.raises(TypeError):
        made.bound("text", scale="text")
    assert made.counts()["upstream"].calls == 2
    assert made.counts()["upstream"].declines == 1
    gate.remove()
    gate.open()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_holds_nothing() -> None:
    made = slot()
    gate = Gate([made])
    gate.install()
    gate.hold(0)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if made.bound(2) == 2 else 1)
    _, status = os.waitpid(pid, 0)
    gate.remove()
    gate.open()
    assert os.waitstatus_to_exitcode(status) == 0
