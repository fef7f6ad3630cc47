"""The data plane: one slot per bound target.

Order of dispatch of a bound call, all of it in one function with the target's own signature:

1. read the slot's current choice, one attribute: a counter, the replacement that the adapter composed for the chosen
   implementation, and a counter of declines;
2. count the call;
3. call the replacement, which translates and calls the implementation;
4. if the result is ``NotImplemented`` (declined before anything was touched), count the decline and call upstream with the
   same arguments.

Any other exception propagates unchanged. Nothing is looked up by name, locked or caught on the way. A toggle replaces the
current choice in one assignment, so a call in another thread runs and is counted wholly by the old one or wholly by the
new one.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._errors import BindingError
from ._plugins import Implementation
from ._select import UPSTREAM
from .adapting import Compose

_P = inspect.Parameter


class Counter:
    """Counts calls. ``tick`` is C code and atomic under the GIL; reading does not disturb it."""

    __slots__ = ("_count", "tick")

    def __init__(self) -> None:
        self._count = itertools.count()
        self.tick: Callable[[], int] = self._count.__next__

    @property
    def value(self) -> int:
        """How often ``tick`` was called."""
        return int(repr(self._count)[6:-1])  # "count(3)"; itertools.count shows its state nowhere else


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls and declines of one choice at one target in this process."""

    calls: int
    declines: int


Current = tuple[Callable[[], int], Callable[..., Any], Callable[[], int]]
"""Count a call, the replacement, count a decline."""


class Slot:
    """What a bound target calls.

    Attributes:
        bound: the function to put in the target's place.
        choice: the plugin in use, or ``upstream``.
        current: what ``bound`` reads per call; replaced in one assignment.
        upstream: the target's own function.
    """

    __slots__ = ("_compose", "_counters", "_prepared", "bound", "choice", "current", "upstream")

    def __init__(self, upstream: Callable[..., Any], compose: Compose, traced: bool) -> None:
        self.upstream = upstream
        self._compose = compose
        self._prepared: dict[str, Current] = {}
        self._counters: dict[str, tuple[Counter, Counter]] = {}
        self.bound = _bound_function(self, traced)
        self.choice = UPSTREAM
        self.current: Current
        self.prepare(None)()

    def prepare(self, implementation: Implementation | None) -> Callable[[], None]:
        """Compose for an implementation (None: upstream) and return what switches to it.

        Raises:
            BindingError: the adapter's replacement has another signature than the target.
            PluginError: the implementation cannot be imported.
        """
        name = UPSTREAM if implementation is None else implementation.plugin
        if name not in self._prepared:
            replacement = self.upstream
            if implementation is not None:
                replacement = self._compose(implementation.function(), self.upstream)
                self._check(replacement)
            calls, declines = Counter(), Counter()
            self._counters[name] = calls, declines
            self._prepared[name] = calls.tick, replacement, declines.tick
        prepared = self._prepared[name]

        def switch() -> None:
            self.current = prepared
            self.choice = name

        return switch

    def prepared(self) -> list[Current]:
        """What it keeps for each choice; one of them holds upstream."""
        return list(self._prepared.values())

    def counts(self) -> dict[str, Counts]:
        """Calls and declines by choice."""
        return {name: Counts(c.value, d.value) for name, (c, d) in list(self._counters.items())}

    def _check(self, replacement: Callable[..., Any]) -> None:
        ours, theirs = _shape(replacement), _shape(self.upstream)
        if ours != theirs:
            raise BindingError(
                f"the adapter's replacement {replacement.__qualname__}{inspect.signature(replacement)} does not have the "
                f"target's signature {self.upstream.__qualname__}{inspect.signature(self.upstream)}"
            )


def _shape(function: Callable[..., Any]) -> list[tuple[str, Any, bool]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default is _P.empty) for p in parameters]


def _arguments(function: Callable[..., Any]) -> tuple[str, str]:
    """The source of a function's parameter list (defaults as placeholders) and of a call that passes them all on."""
    parameters = list(inspect.signature(function).parameters.values())
    declared: list[str] = []
    passed: list[str] = []
    star_seen = False
    for index, p in enumerate(parameters):
        default = "" if p.default is _P.empty else "=None"
        if p.kind is _P.VAR_POSITIONAL:
            star_seen = True
            declared.append(f"*{p.name}")
            passed.append(f"*{p.name}")
        elif p.kind is _P.VAR_KEYWORD:
            declared.append(f"**{p.name}")
            passed.append(f"**{p.name}")
        elif p.kind is _P.KEYWORD_ONLY:
            if not star_seen:
                declared.append("*")
                star_seen = True
            declared.append(f"{p.name}{default}")
            passed.append(f"{p.name}={p.name}")
        else:
            declared.append(f"{p.name}{default}")
            passed.append(p.name)
            last = index + 1 == len(parameters) or parameters[index + 1].kind is not _P.POSITIONAL_ONLY
            if p.kind is _P.POSITIONAL_ONLY and last:
                declared.append("/")
    return ", ".join(declared), ", ".join(passed)


def _bound_function(slot: Slot, traced: bool) -> Callable[..., Any]:
    """Define the function that takes the target's place: upstream's parameters and defaults, and the dispatch."""
    upstream = slot.upstream
    names: dict[str, object] = {"_syncfree_slot": slot, "_syncfree_upstream": upstream}
    count = "_syncfree_count()"
    if traced:
        from torch.compiler import is_compiling

        # A traced counter would break the graph, or count once.
        names["_syncfree_compiling"] = is_compiling
        count = "_syncfree_compiling() or _syncfree_count()"
    clash = [name for name in inspect.signature(upstream).parameters if name.startswith("_syncfree_")]
    if clash:
        raise BindingError(f"{upstream.__qualname__} has parameters named {clash}, which syncfree uses itself")
    declared, passed = _arguments(upstream)
    source = f"""
def make({", ".join(names)}):
    def function({declared}):
        _syncfree_count, _syncfree_replacement, _syncfree_declined = _syncfree_slot.current
        {count}
        _syncfree_result = _syncfree_replacement({passed})
        if _syncfree_result is NotImplemented:
            _syncfree_declined()
            return _syncfree_upstream({passed})
        return _syncfree_result
    return function
"""
    scope: dict[str, Any] = {}
    exec(compile(source, f"<syncfree slot of {upstream.__qualname__}>", "exec"), scope)
    function: Any = scope["make"](**names)
    plain: Any = inspect.unwrap(upstream)
    function.__defaults__ = plain.__defaults__
    function.__kwdefaults__ = plain.__kwdefaults__
    function._syncfree_slot = slot
    return functools.update_wrapper(function, upstream)
