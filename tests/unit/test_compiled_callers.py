"""Compilations by torch.compile of a caller of a bound function: as often as one of upstream's, and once more per new choice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import syncfree
from syncfree import hookimpl
from syncfree._slot import Slot

from .made_up import REDUCE, MadeUp, reduce_binding

pytestmark = pytest.mark.with_torch
CALLS = 12


class Mine:
    """Computes on tensors."""

    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local * 3


class Declining:
    """Declines every call before anything is touched."""

    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return NotImplemented


class Caller:
    """A compiled function that calls the made-up framework's, and how often it was compiled."""

    def __init__(self, module: ModuleType) -> None:
        import torch
        from torch._dynamo.testing import CompileCounter

        torch._dynamo.reset()
        self._counter = CompileCounter()

        def caller(x: Any) -> Any:
            return module.reduce(x, 0, 1, None, "cpu") + 1

        self._compiled: Callable[[Any], Any] = torch.compile(caller, backend=self._counter)
        self._x = torch.ones(3)

    def results(self) -> set[float]:
        """Call twelve times."""
        return {self._compiled(self._x)[0].item() for _ in range(CALLS)}

    @property
    def compilations(self) -> int:
        return int(self._counter.frame_count)


@pytest.fixture
def framework(made_up: MadeUp) -> Iterator[ModuleType]:
    import torch

    made_up.release("1.5", "def reduce(local, rank, size, group, device):\n    return local * 2\n")
    made_up.record(REDUCE)
    made_up.install("1.5")
    made_up.adapter(reduce_binding())
    syncfree.register(Mine, "mine")
    syncfree.register(Declining, "declining")
    syncfree.load("made_up")
    yield made_up.work()
    torch._dynamo.reset()


UPSTREAM, MINE = {3.0}, {4.0}


@pytest.mark.parametrize(("choice", "expected"), [("upstream", UPSTREAM), ("mine", MINE), ("declining", UPSTREAM)])
def test_a_caller_is_compiled_once_whatever_is_chosen(framework: ModuleType, choice: str, expected: set[float]) -> None:
    with syncfree.use(dp_all_reduce=choice):
        caller = Caller(framework)
        assert caller.results() == expected
        assert caller.compilations == 1


def test_each_new_choice_compiles_once_and_an_old_one_not_again(framework: ModuleType) -> None:
    caller = Caller(framework)
    seen = []
    for choice, expected in [("upstream", UPSTREAM), ("mine", MINE), ("declining", UPSTREAM), ("mine", MINE), ("upstream", UPSTREAM)]:
        with syncfree.use(dp_all_reduce=choice):
            assert caller.results() == expected
            seen.append(caller.compilations)
    assert seen == [1, 2, 3, 3, 3]


def test_restoring_compiles_once(framework: ModuleType) -> None:
    with syncfree.use(dp_all_reduce="mine"):
        caller = Caller(framework)
        assert caller.results() == MINE
    assert syncfree.restore() == ()
    assert caller.results() == UPSTREAM
    assert caller.compilations == 2


def test_calls_are_counted_outside_of_compiled_regions_only(framework: ModuleType) -> None:
    import torch

    with syncfree.use(dp_all_reduce="declining"):
        Caller(framework).results()
        assert counts() == (0, 0)
        framework.reduce(torch.ones(3), 0, 1, None, "cpu")
        assert counts() == (1, 1)


def counts() -> tuple[int, int]:
    """Calls and declines of the declining plugin."""
    found = syncfree.counters()["dp_all_reduce"][REDUCE]["declining"]
    return found.calls, found.declines


def test_a_target_without_torch_has_no_guard(framework: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frameworks that do not use torch do not pay for it."""
    with_torch = Slot(framework.reduce.__wrapped__, lambda mine, theirs: theirs)
    monkeypatch.delitem(sys.modules, "torch")
    without = Slot(framework.reduce.__wrapped__, lambda mine, theirs: theirs)
    assert "_syncfree_traced" in with_torch.bound.__code__.co_freevars
    assert "_syncfree_traced" not in without.bound.__code__.co_freevars
