"""The data plane: signatures, counts, declines, toggles under threads."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfree import BindingError
from syncfree._hook import Hook, Tolerance, declaration_of, hookspec
from syncfree._plugins import Implementation
from syncfree._slot import Counter, Counts, Slot


@hookspec
def double(x: int) -> int:
    """Twice x."""
    raise NotImplementedError


HOOK = Hook("double", double, lambda x: 2 * x, lambda: None, Tolerance(0, 0, "integers"), "twice")


def implementation(function: Callable[..., Any], name: str = "mine") -> Implementation:
    return Implementation(HOOK, name, None, declaration_of(function), function)


def upstream(x: int, y: int = 1, *rest: int, z: int = 2, **more: int) -> tuple[object, ...]:
    """Upstream's own documentation."""
    return ("upstream", x, y, rest, z, more)


def compose(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(x: int, y: int = 1, *rest: int, z: int = 2, **more: int) -> Any:
        out = mine(x)
        return out if out is NotImplemented else (out, x, y, rest, z, more)

    return replacement


def test_a_bound_function_has_the_name_signature_and_documentation_of_its_target() -> None:
    slot = Slot(upstream, compose)
    assert inspect.signature(slot.bound) == inspect.signature(upstream)
    assert (slot.bound.__name__, slot.bound.__qualname__, slot.bound.__doc__) == (
        upstream.__name__,
        upstream.__qualname__,
        upstream.__doc__,
    )
    assert slot.bound.__defaults__ == upstream.__defaults__
    assert slot.bound.__kwdefaults__ == upstream.__kwdefaults__


@given(
    x=st.integers(),
    rest=st.lists(st.integers(), max_size=3),
    z=st.integers(),
    more=st.dictionaries(st.sampled_from(["p", "q"]), st.integers()),
)
def test_every_argument_reaches_upstream_and_the_replacement(x: int, rest: list[int], z: int, more: dict[str, int]) -> None:
    slot = Slot(upstream, compose)
    assert slot.bound(x, *rest, z=z, **more) == upstream(x, *rest, z=z, **more)
    slot.prepare(implementation(lambda value: 2 * value))()
    assert slot.bound(x, *rest, z=z, **more)[1:] == upstream(x, *rest, z=z, **more)[1:]
    assert slot.bound(x, *rest, z=z, **more)[0] == 2 * x


def positional_only(a: int, b: int = 5, /, c: int = 6, *, d: int) -> tuple[int, ...]:
    return (a, b, c, d)


def test_positional_only_and_keyword_only_parameters_stay_what_they_are() -> None:
    slot = Slot(positional_only, compose)
    assert slot.bound(1, 2, d=4) == (1, 2, 6, 4)
    with pytest.raises(TypeError, match="positional-only"):
        slot.bound(a=1, d=4)


def test_a_replacement_with_another_signature_is_refused() -> None:
    def wrong(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: mine(x)

    slot = Slot(upstream, wrong)
    with pytest.raises(BindingError, match="does not take every call of its target upstream"):
        slot.prepare(implementation(lambda x: x))
    assert slot.bound(1) == upstream(1)


def test_a_target_whose_parameters_are_named_like_our_own_is_refused() -> None:
    def clashing(_syncfree_slot: int) -> int:
        return _syncfree_slot

    with pytest.raises(BindingError, match="_syncfree_slot"):
        Slot(clashing, compose)


def test_a_declined_call_goes_to_upstream_and_is_counted() -> None:
    slot = Slot(upstream, compose)
    slot.prepare(implementation(lambda x: NotImplemented if x < 0 else x))()
    assert slot.bound(-3) == upstream(-3)
    assert slot.bound(3)[0] == 3
    assert slot.counts()["mine"] == Counts(calls=2, declines=1)


def test_an_exception_of_the_implementation_propagates_and_upstream_is_not_called() -> None:
    called = []

    def watched(x: int) -> None:
        called.append(x)

    def fail(x: int) -> int:
        raise ZeroDivisionError(x)

    slot = Slot(watched, lambda mine, theirs: lambda x: mine(x))
    slot.prepare(implementation(fail))()
    with pytest.raises(ZeroDivisionError):
        slot.bound(1)
    assert called == []


def test_counts_are_kept_per_choice_over_toggles() -> None:
    slot = Slot(upstream, compose)
    mine, theirs = slot.prepare(implementation(lambda x: x)), slot.prepare(None)
    for switch, calls in ((mine, 3), (theirs, 2), (mine, 4)):
        switch()
        for _ in range(calls):
            slot.bound(1)
    assert slot.counts() == {"mine": Counts(7, 0), "upstream": Counts(2, 0)}


@given(st.integers(0, 500))
def test_a_counter_counts_every_tick(ticks: int) -> None:
    counter = Counter()
    for _ in range(ticks):
        counter.tick()
    assert counter.value == counter.value == ticks


def test_a_toggle_in_one_thread_does_not_tear_a_call_in_another() -> None:
    def pair(x: int) -> tuple[str, str]:
        return ("upstream", "upstream")

    def composed(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(x: int) -> tuple[str, str]:
            return (mine(x), mine(x))

        return replacement

    slot = Slot(pair, composed)
    switches = [slot.prepare(None), *(slot.prepare(implementation(lambda x, n=n: n, n)) for n in ("one", "two"))]
    stop = threading.Event()
    seen: list[set[tuple[str, str]]] = []

    def work() -> None:
        mine: set[tuple[str, str]] = set()
        calls = 0
        while not stop.is_set():
            mine.add(slot.bound(0))
            calls += 1
        seen.append(mine)
        made.append(calls)

    made: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(6000):
        switches[turn % 3]()
    stop.set()
    for thread in threads:
        thread.join()
    results = set().union(*seen)
    assert results <= {("upstream", "upstream"), ("one", "one"), ("two", "two")}
    assert sum(c.calls for c in slot.counts().values()) == sum(made)
