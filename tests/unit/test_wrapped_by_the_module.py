"""A target that its own module wraps after it has defined it: the wrapper is bound, if the form says what made it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import syncfree
from syncfree import hookimpl
from syncfree.adapting import Binding, Form

from .made_up import MadeUp

HOOK = "dp_all_reduce"
TARGET = "made_up.work:Work.method"
SOURCE = """
import functools

class Work:
    def method(self, value):
        return ("upstream", value)

def around(function):
    @functools.wraps(function)
    def wrapper(self, *args, **kwargs):
        return ("wrapped", *function(self, *args, **kwargs))
    return wrapper


for owner in (Work,):
    owner.method = around(owner.method)
"""


class Mine:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local


def compose(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement that declines what is negative."""
    return lambda self, value: NotImplemented if value < 0 else ("replaced", value)


@pytest.fixture
def framework(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")
    made_up.release("1.0", SOURCE)
    made_up.install("1.0")
    return made_up


def bind(framework: MadeUp, wrapped_by: str) -> syncfree.Entry:
    framework.record(TARGET)
    form = Form(">=1.0,<2", "stalls", "", (compose,), wrapped_by=wrapped_by)
    framework.adapter(Binding(HOOK, (TARGET,), (form,)))
    return syncfree.load("made_up").entry(HOOK)


def test_the_wrapper_is_bound_and_is_what_a_declined_call_goes_to(framework: MadeUp) -> None:
    work: Any = framework.work()
    wrapper = work.Work.method
    assert bind(framework, "around").state == "bound"
    assert work.Work().method(1) == ("replaced", 1)
    assert work.Work().method(value=-1) == ("wrapped", "upstream", -1)
    syncfree.restore()
    assert work.Work.method is wrapper


@pytest.mark.parametrize("wrapped_by", ["", "missing"])
def test_a_wrapper_that_the_form_does_not_name_is_a_patch(framework: MadeUp, wrapped_by: str) -> None:
    work: Any = framework.work()
    wrapper = work.Work.method
    entry = bind(framework, wrapped_by)
    assert entry.state == "refused"
    assert f"{TARGET} was already replaced by " in entry.reason
    assert work.Work.method is wrapper


def test_a_patch_around_the_wrapper_is_a_patch(framework: MadeUp) -> None:
    work: Any = framework.work()
    wrapper = work.Work.method

    @functools.wraps(wrapper)
    def theirs(self: Any, value: Any) -> Any:
        return wrapper(self, value)

    work.Work.method = theirs
    assert bind(framework, "around").state == "refused"
    assert work.Work.method is theirs
