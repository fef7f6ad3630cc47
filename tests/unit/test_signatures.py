"""A replacement is accepted if, and only if, it takes every call that the slot makes of it."""

from __future__ import annotations

import functools
import inspect
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncfree import BindingError
from syncfree._hook import Hook, Tolerance, declaration_of, hookspec
from syncfree._plugins import Implementation
from syncfree._signatures import declared, misfit, parameters, passed
from syncfree._slot import Slot

P = inspect.Parameter
NAMES = ("a", "b", "c", "d")


@hookspec
def double(x: int) -> int:
    """Twice x."""
    raise NotImplementedError


MINE = Implementation(
    Hook("double", double, lambda x: 2 * x, lambda: None, Tolerance(0, 0, "integers"), "twice"),
    "mine",
    None,
    declaration_of(double),
    lambda *args, **kwargs: ("mine", args, kwargs),
)


def target(x: int, y: int = 1, *rest: int, z: int = 2, **more: int) -> tuple[object, ...]:
    return ("upstream", x, y, rest, z, more)


def prepared(upstream: Any, replacement: Any) -> Slot:
    slot = Slot(upstream, lambda mine, theirs: replacement)
    slot.prepare(MINE)()
    return slot


@st.composite
def parameter_lists(draw: st.DrawFn) -> list[inspect.Parameter]:
    names = draw(st.permutations(NAMES))
    kinds = sorted(draw(st.lists(st.sampled_from([P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD, P.KEYWORD_ONLY]), max_size=4)))
    positional = [kind for kind in kinds if kind is not P.KEYWORD_ONLY]
    required = draw(st.integers(0, len(positional)))
    of = []
    for index, (name, kind) in enumerate(zip(names, kinds, strict=False)):
        optional = index >= required if kind is not P.KEYWORD_ONLY else draw(st.booleans())
        of.append(P(name, kind, default=index if optional else P.empty))
    if draw(st.booleans()):
        of.insert(len(positional), P("args", P.VAR_POSITIONAL))
    if draw(st.booleans()):
        of.append(P("kwargs", P.VAR_KEYWORD))
    return of


def function_of(of: list[inspect.Parameter], body: str = "None") -> Any:
    function = eval(f"lambda {declared(of)}: {body}")
    function.__defaults__ = tuple(p.default for p in of if p.kind < P.VAR_POSITIONAL and p.default is not P.empty) or None
    function.__kwdefaults__ = {p.name: p.default for p in of if p.kind is P.KEYWORD_ONLY and p.default is not P.empty} or None
    return function


def every_call() -> Iterator[tuple[tuple[int, ...], dict[str, int]]]:
    names = (*NAMES, "args", "kwargs", "other")
    for count in range(7):
        for width in range(len(names) + 1):
            for chosen in itertools.combinations(names, width):
                yield tuple(range(count)), dict.fromkeys(chosen, 0)


CALLS = list(every_call())


def takes(function: Callable[..., Any], args: tuple[int, ...], kwargs: dict[str, int]) -> bool:
    try:
        function(*args, **kwargs)
    except TypeError:
        return False
    return True


@given(parameter_lists())
def test_the_parameters_of_a_function_are_read_as_inspect_reads_those_of_an_honest_one(of: list[inspect.Parameter]) -> None:
    assert parameters(function_of(of)) == list(inspect.signature(function_of(of)).parameters.values()) == of


@settings(max_examples=300)
@given(parameter_lists(), parameter_lists())
@example([P("a", P.POSITIONAL_ONLY), P("kwargs", P.VAR_KEYWORD)], [P("a", P.POSITIONAL_OR_KEYWORD), P("kwargs", P.VAR_KEYWORD)])
@example([P("a", P.POSITIONAL_OR_KEYWORD)], [P("args", P.VAR_POSITIONAL), P("kwargs", P.VAR_KEYWORD)])
@example([P("args", P.VAR_POSITIONAL)], [P("a", P.POSITIONAL_OR_KEYWORD, default=0)])
def test_a_replacement_is_accepted_exactly_if_no_call_of_the_target_fails_in_it(
    of_target: list[inspect.Parameter], of_replacement: list[inspect.Parameter]
) -> None:
    upstream, replacement = function_of(of_target), function_of(of_replacement)
    forward = eval(f"lambda {declared(of_target)}: replacement({passed(of_target)})", {"replacement": replacement})
    failing = [call for call in CALLS if takes(upstream, *call) and not takes(forward, *call)]
    assert (misfit(replacement, parameters(upstream)) is None) == (not failing), failing[:3]


@functools.wraps(target)
def wrong_arity(x: int) -> int:
    return x


def says_otherwise(x: int) -> int:
    return x


says_otherwise.__signature__ = inspect.signature(target)  # type: ignore[attr-defined]


class Callable_:  # noqa: N801
    def __call__(self, x: int) -> int:
        return x


@functools.wraps(wrong_arity.__wrapped__)
def wraps_the_wrong(*args: Any, **kwargs: Any) -> Any:
    return wrong_arity(*args, **kwargs)


wraps_the_wrong.__wrapped__ = says_otherwise  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "replacement",
    [
        wrong_arity,
        says_otherwise,
        wraps_the_wrong,
        Callable_(),
        functools.partial(lambda a, b, c: None, 0),
        functools.partial(lambda x, y, *rest, z, **more: None, more=1, x=0),
        types.MethodType(lambda self: None, 1),
        functools.lru_cache(says_otherwise),
        lambda x, y: None,
        lambda y, x, *rest, z, w, **more: None,
        lambda: None,
    ],
)
def test_a_replacement_that_cannot_take_every_call_is_refused_whatever_it_says_of_itself(replacement: Any) -> None:
    slot = Slot(target, lambda mine, theirs: replacement)
    with pytest.raises(BindingError, match=r"does not take every call of its target target\(x, y=1, \*rest, z=2, \*\*more\): "):
        slot.prepare(MINE)
    assert slot.bound(1) == target(1)
    assert slot.choice == "upstream"


class Takes:
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs


@pytest.mark.parametrize(
    "replacement",
    [
        lambda *args, **kwargs: (args, kwargs),
        lambda first, second, /, *others, z, **names: ((first, second, *others), {"z": z, **names}),
        functools.wraps(says_otherwise)(lambda first, second, /, *more, **names: ((first, second, *more), names)),
        functools.wraps(target)(lambda *args, **kwargs: (args, kwargs)),
        functools.partial(Takes()),
        Takes(),
        types.MethodType(Takes.__call__, Takes()),
    ],
)
def test_a_replacement_need_not_repeat_the_signature(replacement: Any) -> None:
    slot = prepared(target, replacement)
    assert slot.bound(1, z=5, q=6) == ((1, 1), {"z": 5, "q": 6})
    assert slot.bound(1, 2, 3, 4) == ((1, 2, 3, 4), {"z": 2})


def test_positional_arguments_are_passed_by_position_and_keyword_only_ones_by_name() -> None:
    def upstream(a: int, b: int = 5, *, c: int = 6) -> None: ...

    slot = prepared(upstream, lambda *args, **kwargs: (args, kwargs))
    assert slot.bound(b=2, a=1) == ((1, 2), {"c": 6})


@pytest.mark.parametrize("replacement", [None, 7, "text"])
def test_a_replacement_that_is_no_function_is_refused(replacement: Any) -> None:
    with pytest.raises(BindingError, match="which cannot be called"):
        prepared(target, replacement)


async def asynchronous(*args: Any, **kwargs: Any) -> None: ...


async def generating(*args: Any, **kwargs: Any) -> Any:
    yield


@pytest.mark.parametrize("replacement", [asynchronous, generating, functools.partial(asynchronous)])
def test_an_asynchronous_replacement_is_refused(replacement: Any) -> None:
    with pytest.raises(BindingError, match="is asynchronous"):
        prepared(target, replacement)
