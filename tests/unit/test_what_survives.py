"""What callers and tools may ask of a target is answered by the bound function as by the original, or the target is refused."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import sys
import typing
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any
from unittest import mock

import pytest

import syncfree
from syncfree import hookimpl
from syncfree.adapting import Binding, Form

from .made_up import MadeUp

HOOK = "dp_all_reduce"
SOURCE = '''
from __future__ import annotations

import abc
import asyncio
import contextlib
import functools
import types
from typing import Any


class Sample:
    """Only this module knows it."""


def plain(sample: Sample, size: int = 3, *, top: Sample | None = None) -> list[Sample]:
    """What it does."""
    return ["upstream", sample, size, top]


def no_parameters():
    return ["upstream"]


def with_attributes(value):
    with_attributes.calls += 1
    return ["upstream", value]


with_attributes.calls = 0
with_attributes._torchscript_modifier = "ignored"


def awaitable(value):
    return ["upstream", value]


awaitable._is_coroutine = asyncio.coroutines._is_coroutine


class Base:
    def method(self, value):
        return ["base", value]


class Work(Base, abc.ABC):
    def method(self, value, /, *more, **names):
        return ["upstream", *super().method(value), __class__.__name__]

    @staticmethod
    def static(value: Sample = None):
        return ["upstream", value]

    static.owner = "the framework"

    @classmethod
    def made(cls, value):
        return ["upstream", cls.__name__, value]

    @contextlib.contextmanager
    def context(self, value):
        yield ["upstream", value]

    @abc.abstractmethod
    def abstract(self, value):
        return ["upstream", value]

    async def coroutine(self, value):
        return value

    async def stream(self, value):
        yield value

    def generator(self, value):
        yield value

    @types.coroutine
    def old_coroutine(self, value):
        yield value

    @property
    def size(self):
        return 3

    @functools.cached_property
    def cached_size(self):
        return 3

    @functools.lru_cache
    def cached(self, value):
        return value

    @staticmethod
    @functools.cache
    def static_cached(value):
        return value


def adding(function):
    @functools.wraps(function)
    def wrapper(self):
        return function(self, "added")
    return wrapper


class Decorated:
    @adding
    def given_less(self, value):
        return value


class Concrete(Work):
    def abstract(self, value):
        return ["concrete", value]
'''
GENERIC = "\ndef generic[T](value: T) -> T:\n    return ['upstream', value]\n"
FUNCTIONS = ("plain", "no_parameters", "with_attributes", "awaitable")
METHODS = ("Work.method", "Work.static", "Work.made", "Work.context", "Work.abstract")


def declining(mine: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: NotImplemented


class Mine:
    @staticmethod
    @hookimpl(exact=True)
    def dp_all_reduce(local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        return local


@pytest.fixture
def framework(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeUp]:
    syncfree.register(Mine(), "mine")
    monkeypatch.setenv("SYNCFREE_PLUGINS", "mine")
    source = SOURCE + (GENERIC if sys.version_info >= (3, 12) else "")
    made_up.release("1.0", source)
    made_up.install("1.0")
    yield made_up
    syncfree.restore()


def bind(framework: MadeUp, name: str) -> syncfree.Entry:
    target = f"made_up.work:{name}"
    framework.record(target)
    framework.adapter(Binding(HOOK, (target,), (Form(">=1.0,<2", "stalls", "", (declining,)),)))
    return syncfree.load("made_up").entry(HOOK)


def found(framework: MadeUp, name: str) -> Any:
    value: Any = framework.work()
    for part in name.split("."):
        value = vars(value)[part]
    return value


def function_of(raw: Any) -> Any:
    return raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw


def positional_names(function: FunctionType) -> tuple[str, ...]:
    return function.__code__.co_varnames[: function.__code__.co_argcount]


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    name: getattr(inspect, name)
    for name in dir(inspect)
    if name.startswith("is") and callable(getattr(inspect, name)) and not name.startswith("isfuture")
} | {
    "signature": inspect.signature,
    "source": inspect.getsource,
    "documentation": inspect.getdoc,
    "annotations": inspect.get_annotations,
    "type hints": typing.get_type_hints,
    "module": inspect.getmodule,
    "asyncio's idea of a coroutine function": asyncio.iscoroutinefunction,
    "names": lambda f: (f.__module__, f.__name__, f.__qualname__, f.__doc__),
    "defaults": lambda f: (f.__defaults__, f.__kwdefaults__),
    "globals": lambda f: id(f.__globals__),
    "parameters of the code": positional_names,
    "type parameters": lambda f: getattr(f, "__type_params__", ()),
    "abstract": lambda f: getattr(f, "__isabstractmethod__", False),
    "attributes": lambda f: {name: value for name, value in vars(f).items() if name not in ("__wrapped__", "_syncfree_slot")},
    "a mock's specification": lambda f: str(inspect.signature(mock.create_autospec(f))),
}


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_every_question_is_answered_as_by_the_original(framework: MadeUp, name: str) -> None:
    raw = found(framework, name)
    before = {question: ask(function_of(raw)) for question, ask in QUESTIONS.items()}
    attributes = dict(vars(raw)) if raw is not function_of(raw) else {}
    assert bind(framework, name).state == "bound", syncfree.plan().entry(HOOK).reason
    bound = found(framework, name)
    assert bound is not raw
    assert type(bound) is type(raw)
    decorated = "__wrapped__" in vars(function_of(raw))
    for question, ask in QUESTIONS.items():
        if decorated and question in ("globals", "parameters of the code"):
            continue  # those of the function inside the decorator, which the bound function declares
        assert ask(function_of(bound)) == before[question], question
    assert attributes.items() <= (vars(bound).items() if attributes else {}.items())


def test_a_declined_call_runs_upstream_as_it_was(framework: MadeUp) -> None:
    work: Any = framework.work()
    bind(framework, "Work.method")
    assert work.Concrete().method(7) == ["upstream", "base", 7, "Work"]


def test_a_bound_classmethod_serves_subclasses(framework: MadeUp) -> None:
    bind(framework, "Work.made")
    assert framework.work().Concrete.made(7) == ["upstream", "Concrete", 7]


def test_a_context_manager_stays_one(framework: MadeUp) -> None:
    bind(framework, "Work.context")
    with framework.work().Concrete().context(7) as value:
        assert value == ["upstream", 7]


def test_an_abstract_method_stays_abstract(framework: MadeUp) -> None:
    work: Any = framework.work()
    bind(framework, "Work.abstract")
    with pytest.raises(TypeError, match="abstract"):
        type("Incomplete", (work.Work,), {})()
    assert work.Concrete().abstract(1) == ["concrete", 1]


def test_a_function_is_pickled_by_its_name_and_copied_as_itself(framework: MadeUp) -> None:
    bind(framework, "plain")
    bound = framework.work().plain
    assert pickle.loads(pickle.dumps(bound)) is bound
    assert copy.deepcopy(bound) is bound
    method = framework.work().Concrete.method
    assert pickle.loads(pickle.dumps(method)) is method


def test_weak_references_to_the_original_live_as_long_as_the_binding(framework: MadeUp) -> None:
    reference = weakref.ref(framework.work().plain)
    bind(framework, "plain")
    assert reference() is framework.work().plain.__wrapped__


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax of type parameters is that of Python 3.12")
def test_a_generic_function_keeps_its_type_parameters(framework: MadeUp) -> None:
    before = framework.work().generic.__type_params__
    assert bind(framework, "generic").state == "bound"
    assert framework.work().generic.__type_params__ == before != ()


# What changes while it is bound


def test_attributes_that_a_function_sets_on_itself_are_there_after_restore(framework: MadeUp) -> None:
    work: Any = framework.work()
    work.with_attributes(1)
    bind(framework, "with_attributes")
    work.with_attributes(1)
    work.with_attributes.new = "set while bound"
    del work.with_attributes._torchscript_modifier
    assert work.with_attributes.calls == 2
    syncfree.restore()
    assert (work.with_attributes.calls, work.with_attributes.new) == (2, "set while bound")
    assert not hasattr(work.with_attributes, "_torchscript_modifier")
    assert vars(work.with_attributes).keys() == {"calls", "new"}


def test_defaults_that_are_changed_while_bound_are_in_force_and_there_after_restore(framework: MadeUp) -> None:
    work: Any = framework.work()
    bind(framework, "plain")
    work.plain.__defaults__ = (8,)
    work.plain.__kwdefaults__["top"] = 9
    assert work.plain(1) == ["upstream", 1, 8, 9]
    syncfree.restore()
    assert work.plain(1) == ["upstream", 1, 8, 9]


def test_defaults_that_were_changed_before_are_those_of_the_bound_function(framework: MadeUp) -> None:
    work: Any = framework.work()
    work.plain.__defaults__ = (5,)
    bind(framework, "plain")
    assert work.plain(1) == ["upstream", 1, 5, None]


# What would not survive


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Work.coroutine", "Work.coroutine is a coroutine function"),
        ("Work.stream", "Work.stream is an asynchronous generator function"),
        ("Work.generator", "Work.generator is a generator function"),
        ("Work.old_coroutine", "Work.old_coroutine is a generator-based coroutine function"),
        ("Work.size", "Work.size is a builtins.property"),
        ("Work.cached_size", "Work.cached_size is a functools.cached_property"),
        ("Work.cached", "Work.cached is a functools._lru_cache_wrapper; a plain function would not have cache_clear, cache_info"),
        ("Work.static_cached", "Work.static_cached is a functools._lru_cache_wrapper"),
        ("Decorated.given_less", "Decorated.given_less has a decorator that changes its parameters"),
    ],
)
def test_a_target_that_is_more_than_a_plain_function_is_refused_with_the_reason(
    framework: MadeUp, name: str, reason: str
) -> None:
    raw = found(framework, name)
    entry = bind(framework, name)
    assert (entry.state, reason in entry.reason) == ("refused", True), entry.reason
    assert "replaced by" not in entry.reason
    assert found(framework, name) is raw
