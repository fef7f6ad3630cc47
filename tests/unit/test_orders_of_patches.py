"""In any order of load, use, restore, patches and reloads the plan says what runs, and upstream comes back in the end."""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from syncfree import SelectionError, hookimpl
from syncfree._runtime import Runtime
from syncfree.adapting import Binding, Form

from .made_up import GATHER, REDUCE, MadeUp, compose_reduce

HOOK = "dp_all_reduce"
TARGETS = (REDUCE, GATHER)


class Mine:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return ("mine", local)


def compose_gather(mine: Any, theirs: Any) -> Any:
    return lambda self, logits, *, top: ("mine", logits)


def patch_of(function: Any) -> Any:
    @functools.wraps(function)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ("theirs", *function(*args, **kwargs))

    return theirs


@contextlib.contextmanager
def refused_for_a_reason() -> Iterator[None]:
    try:
        yield
    except SelectionError as error:
        told = ("was already replaced by", "was replaced by", "was reloaded", "was imported again", "other code ")
        if not any(reason in str(error) for reason in told):
            raise


class Orders(RuleBasedStateMachine):
    """One framework with two bindings, and somebody who patches the same functions."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        sys.path.insert(0, self.folder.name)
        self.runtime = Runtime()
        self.runtime.register(Mine(), "mine")
        self.framework = MadeUp(Path(self.folder.name), self.runtime)
        self.framework.release("1.0")
        self.framework.record(*TARGETS)
        self.framework.install("1.0")
        self.framework.adapter(
            *(
                Binding(HOOK, (target,), (Form(">=1.0,<2", "stalls", "", (compose,)),))
                for target, compose in zip(TARGETS, (compose_reduce, compose_gather), strict=True)
            )
        )
        self.patches: list[tuple[Any, str, Any]] = []

    def owner(self, target: str) -> tuple[Any, str]:
        work: Any = self.framework.work()
        return (work, "reduce") if target == REDUCE else (work.Sampler, "gather")

    def runs(self, target: str) -> list[str]:
        """Whose functions a call of the target reaches, outermost first."""
        owner, name = self.owner(target)
        found = getattr(owner, name)([1], 0, 1, None, "cpu") if target == REDUCE else getattr(owner(), name)([1])
        return [part for part in found if part in ("theirs", "mine", "upstream")]

    @rule()
    def load(self) -> None:
        with refused_for_a_reason():
            self.runtime.load("made_up")

    @rule()
    def restore(self) -> None:
        self.runtime.restore()

    @rule(name=st.sampled_from(["mine", "upstream", "default"]))
    def use(self, name: str) -> None:
        with refused_for_a_reason():
            self.runtime.switcher.use({HOOK: name}, False, self)

    @rule(place=st.sampled_from(TARGETS))
    def patch(self, place: str) -> None:
        owner, name = self.owner(place)
        self.patches.append((owner, name, vars(owner)[name]))
        setattr(owner, name, patch_of(vars(owner)[name]))

    @rule()
    def take_a_patch_back(self) -> None:
        if self.patches:
            setattr(*self.patches.pop())

    @rule()
    def reload(self) -> None:
        importlib.reload(self.framework.work())

    @rule()
    def import_anew(self) -> None:
        sys.modules.pop("made_up.work", None)
        self.framework.work()

    @invariant()
    def the_plan_says_what_runs(self) -> None:
        for entry in self.runtime.plan().entries if "made_up.work" in sys.modules else ():
            runs = self.runs(entry.targets[0])
            if entry.state == "bound":
                assert runs == [entry.choice], entry
            elif entry.state == "replaced":
                assert runs[0] == "theirs", entry
            else:
                assert runs[-1] == "upstream", entry

    def teardown(self) -> None:
        while self.patches:
            self.take_a_patch_back()
        self.runtime.restore()
        try:
            assert [self.runs(target) for target in TARGETS] == [["upstream"]] * 2
        finally:
            sys.path.remove(self.folder.name)
            for name in [name for name in sys.modules if name.startswith("made_up")]:
                del sys.modules[name]
            self.folder.cleanup()


@pytest.fixture
def only_mine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logging.Logger.warning", lambda *_: None)  # of every patched target, thousands of them
        yield


def test_in_any_order_the_plan_says_what_runs_and_upstream_comes_back(only_mine: None) -> None:
    run_state_machine_as_test(Orders, settings=settings(max_examples=60, stateful_step_count=20, deadline=None))
