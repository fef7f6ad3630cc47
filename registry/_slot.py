"""The data plane: one slot per bound target.

Order of dispatch of a bound call, all of it in one function with the target's own signature:

1. read the slot's current choice, one attribute: a counter, the replacement that the adapter composed for the chosen
   implementation, and a counter of declines;
2. count the call, unless torch.compile traces it;
3. call the replacement, which translates and calls the implementation;
4. if the result is ``NotImplemented`` (declined before anything was touched), count the decline and call upstream with the
   same arguments.

Exceptions propagate unchanged. Nothing is looked up by name, locked or caught on the way. A toggle replaces the current
choice in one assignment, so a call in another thread runs and is counted entirely by the old choice or by the new one.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from ._bound import bound_function
from ._errors import BindingError
from ._instruments import Probe
from ._namespace import ABSENT
from ._plugins import Implementation
from ._selection import UPSTREAM
from ._signatures import misfit, parameters, signature
from .adapting import Compose

_MARK = "_syncfree_slot"


class Counter:
    """Counts calls. ``tick`` is C code and atomic under the GIL; reading ``value`` does not change it."""

    __slots__ = ("_count", "tick")

    def __init__(self) -> None:
        self._count = itertools.count()
        self.tick: Callable[[], int] = self._count.__next__

    @property
    def value(self) -> int:
        """The number of calls of ``tick``."""
        return int(repr(self._count)[6:-1])  # "count(3)"; itertools.count exposes its state nowhere else


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls and declines of one choice at one target in this process."""

    calls: int
    declines: int


Current = tuple[Callable[[], int], Callable[..., Any], Callable[[], int]]
"""Count a call, the replacement, count a decline."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The record that a slot keeps for one choice."""

    current: Current
    calls: Counter
    declines: Counter
    probed: dict[tuple[Probe, ...], Current]

    @classmethod
    def of(cls, replacement: Callable[..., Any]) -> _Prepared:
        calls, declines = Counter(), Counter()
        return cls((calls.tick, replacement, declines.tick), calls, declines, {})


class Slot:
    """The callee of a bound target.

    Attributes:
        bound: the function that replaces the target.
        choice: the plugin in use, or ``upstream``.
        current: what ``bound`` reads per call; replaced in one assignment.
        upstream: the target's own function.
        original: the raw attribute that held upstream.
        source: the function inside upstream's decorators; upstream itself where it has none.
        code: the code object of ``bound`` as made, to detect that other code replaced it.
        retired: the binding was removed, so that ``bound`` only calls upstream for code that still holds it.
    """

    __slots__ = (
        "_as_made",
        "_compose",
        "_prepared",
        "bound",
        "choice",
        "code",
        "current",
        "original",
        "retired",
        "source",
        "upstream",
    )

    def __init__(self, upstream: FunctionType, compose: Compose, source: FunctionType | None = None) -> None:
        self.upstream = upstream
        self.original: Any = upstream
        self.source = upstream if source is None else source
        self.retired = False
        self._compose = compose
        self._prepared: dict[str, _Prepared] = {}
        self.bound = bound_function(self, upstream, self.source)
        vars(self.bound)[_MARK] = self
        self.code = self.bound.__code__
        self._as_made = dict(vars(self.bound)), self.bound.__defaults__, self.bound.__kwdefaults__
        self.choice = UPSTREAM
        self.current: Current
        self.prepare(None)()

    def prepare(self, implementation: Implementation | None, probes: Sequence[Probe] = ()) -> Callable[[], None]:
        """Compose for an implementation (None: upstream) and return a function that switches to it by assignments only.

        The composition without probes is cached per implementation, and so are its counters; two threads may call this at once.

        Raises:
            BindingError: the adapter fails, or its replacement does not take every call of the target.
            PluginError: the implementation cannot be imported.
        """
        name = UPSTREAM if implementation is None else implementation.plugin
        if name not in self._prepared:
            replacement = self.upstream if implementation is None else self._replacement(implementation.function())
            self._prepared.setdefault(name, _Prepared.of(replacement))
        prepared = self._prepared[name]
        current = prepared.current
        if probes:
            # Kept for the next switch: a new composition would begin with empty caches, and compiled callers compile again.
            kept = prepared.probed.get(tuple(probes))
            current = kept or (prepared.calls.tick, self._probed(implementation, probes), prepared.declines.tick)
            prepared.probed[tuple(probes)] = current

        def switch() -> None:
            self.current = current
            self.choice = name

        return switch

    def retire(self) -> None:
        """Switch to upstream until the process exits, and copy to it the attributes and defaults that were set on ``bound``."""
        self.prepare(None)()
        self.retired = True
        attributes, defaults, by_name = self._as_made
        now = dict(vars(self.bound))  # a copy: another thread may be setting attributes
        for name in attributes.keys() - now.keys():
            vars(self.upstream).pop(name, None)
        changed = {name: value for name, value in now.items() if attributes.get(name, ABSENT) is not value}
        vars(self.upstream).update(changed)
        if self.bound.__defaults__ is not defaults:
            self.source.__defaults__ = self.bound.__defaults__
        if self.bound.__kwdefaults__ is not by_name:
            self.source.__kwdefaults__ = self.bound.__kwdefaults__

    def prepared(self) -> list[Current]:
        """Return the cached state for each choice, including upstream."""
        return [prepared.current for prepared in list(self._prepared.values())]

    def counts(self) -> dict[str, Counts]:
        """Return calls and declines by choice."""
        return {name: Counts(p.calls.value, p.declines.value) for name, p in list(self._prepared.items())}

    def _probed(self, implementation: Implementation | None, probes: Sequence[Probe]) -> Callable[..., Any]:
        replacement: Callable[..., Any] = self.upstream
        if implementation is not None:
            function = implementation.function()
            for probe in probes:
                function = probe.around_implementation(function, implementation)
            replacement = self._replacement(function)
        for probe in probes:
            replacement = probe.around_replacement(replacement, implementation)
        return replacement

    def _replacement(self, function: Callable[..., Any]) -> Callable[..., Any]:
        replacement = self._compose(function, self.upstream)
        name = getattr(replacement, "__qualname__", type(replacement).__qualname__)
        if not callable(replacement):
            raise BindingError(f"the adapter's replacement of {self.upstream.__qualname__} is a {name}, which cannot be called")
        if inspect.iscoroutinefunction(replacement) or inspect.isasyncgenfunction(replacement):
            raise BindingError(f"the adapter's replacement {name} of {self.upstream.__qualname__} is asynchronous")
        problem = misfit(replacement, parameters(self.source))
        if problem is not None:
            target = f"{self.upstream.__qualname__}{signature(self.source)}"
            raise BindingError(f"the adapter's replacement {name} does not take every call of its target {target}: {problem}")
        return replacement


def slot_of(raw: Any) -> Slot | None:
    """Return the slot of a bound function, or of a static or class method of one; None for anything else.

    Also None for a wrapper around a bound function, which has the same attributes through `functools.wraps`.
    """
    function = raw.__func__ if type(raw) in (staticmethod, classmethod) else raw
    slot = vars(function).get(_MARK) if type(function) is FunctionType else None
    return slot if isinstance(slot, Slot) and slot.bound is function else None


def behind(raw: Any) -> list[Any]:
    """Return a raw attribute, followed by the originals behind it while it is the bound function of a removed binding.

    `take_out` cannot reach a bound function under other code's patch; removing that patch puts it back at the target.
    """
    chain = [raw]
    while (slot := slot_of(chain[-1])) is not None and slot.retired:
        chain.append(slot.original)
    return chain
