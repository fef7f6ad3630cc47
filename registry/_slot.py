"""The data plane: one slot per bound target.

Order of dispatch of a bound call:

1. the bound function, which has the target's own signature, calls ``slot.call``;
2. ``slot.call`` counts the call and calls the replacement that the adapter composed for the chosen implementation;
3. the replacement translates and calls the implementation;
4. if the result is ``NotImplemented`` (declined before anything was touched), the decline is counted and upstream is
   called with the same arguments.

Any other exception propagates unchanged. Nothing is looked up, locked or caught on the way. A toggle replaces
``slot.call`` in one assignment, so a call in another thread runs wholly by the old choice or wholly by the new one.
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


class Slot:
    """What a bound target calls.

    Attributes:
        call: the current composed callable; replaced by `select`.
        bound: the function to put in the target's place.
        upstream: the target's own function.
    """

    __slots__ = ("_calls", "_compose", "_counters", "_traced", "bound", "call", "choice", "upstream")

    def __init__(self, upstream: Callable[..., Any], compose: Compose, traced: bool) -> None:
        self.upstream = upstream
        self._compose = compose
        self._traced = traced
        self._calls: dict[str, Callable[..., Any]] = {}
        self._counters: dict[str, tuple[Counter, Counter]] = {}
        self.choice = UPSTREAM
        self.call: Callable[..., Any] = upstream
        self.bound = _bound_function(self)

    def prepare(self, implementation: Implementation | None) -> Callable[[], None]:
        """Compose for an implementation (None: upstream) and return what switches to it.

        Raises:
            BindingError: the adapter's replacement has another signature than the target.
            PluginError: the implementation cannot be imported.
        """
        name = UPSTREAM if implementation is None else implementation.plugin
        if name not in self._calls:
            replacement = self.upstream
            if implementation is not None:
                replacement = self._compose(implementation.function(), self.upstream)
                self._check(replacement)
            counters = self._counters.setdefault(name, (Counter(), Counter()))
            self._calls[name] = _counted(self.upstream, replacement, *counters, traced=self._traced)
        call = self._calls[name]

        def switch() -> None:
            self.call = call
            self.choice = name

        return switch

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


def _define(body: str, upstream: Callable[..., Any], names: dict[str, object]) -> Callable[..., Any]:
    """Define a function with upstream's parameters and defaults; ``{passed}`` in the body becomes the arguments."""
    declared, passed = _arguments(upstream)
    clash = set(inspect.signature(upstream).parameters) & set(names)
    if clash:
        raise BindingError(f"{upstream.__qualname__} has parameters named {sorted(clash)}, which syncfree uses itself")
    source = f"def make({', '.join(names)}):\n def function({declared}):\n{body.format(passed=passed)}\n return function\n"
    scope: dict[str, Any] = {}
    exec(compile(source, f"<syncfree slot of {upstream.__qualname__}>", "exec"), scope)
    function: Any = scope["make"](**names)
    plain: Any = inspect.unwrap(upstream)
    function.__defaults__ = plain.__defaults__
    function.__kwdefaults__ = plain.__kwdefaults__
    return function  # type: ignore[no-any-return]


def _bound_function(slot: Slot) -> Callable[..., Any]:
    function = _define("  return _syncfree_slot.call({passed})", slot.upstream, {"_syncfree_slot": slot})
    return functools.update_wrapper(function, slot.upstream)


def _counted(
    upstream: Callable[..., Any], replacement: Callable[..., Any], calls: Counter, declines: Counter, traced: bool
) -> Callable[..., Any]:
    names: dict[str, object] = {"_syncfree_tick": calls.tick}
    count = "  _syncfree_tick()\n"
    if traced:
        from torch.compiler import is_compiling  # a traced counter would break the graph, or count once

        names["_syncfree_compiling"] = is_compiling
        count = "  if not _syncfree_compiling(): _syncfree_tick()\n"
    if replacement is upstream:
        return _define(count + "  return _syncfree_upstream({passed})", upstream, {**names, "_syncfree_upstream": upstream})
    names |= {
        "_syncfree_replacement": replacement,
        "_syncfree_declined": declines.tick,
        "_syncfree_upstream": upstream,
        "_syncfree_no": NotImplemented,
    }
    body = (
        "  _syncfree_result = _syncfree_replacement({passed})\n"
        "  if _syncfree_result is _syncfree_no:\n"
        "   _syncfree_declined()\n"
        "   return _syncfree_upstream({passed})\n"
        "  return _syncfree_result"
    )
    return _define(count + body, upstream, names)
