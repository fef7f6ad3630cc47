"""Measure two implementations on recorded calls, in this process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter, thread_time
from typing import Any

from .._copies import copied
from .._difference import difference
from .._errors import SelectionError, attributed_to, nearest
from .._hook import Hook, Tolerance, declaration_of
from .._plugins import Implementation, Plugins
from ..recording._decoding import Answers
from ..recording._files import Call
from ._design import CONTROL, Block, Design, control

_MOST_REPETITIONS = 100_000


def implementation_of(hook: Hook, name: str, plugins: Plugins) -> tuple[Callable[..., Any], Tolerance | None]:
    """Return a function by a plugin's name, ``reference`` or ``module:function``, and its tolerance (None: exact).

    Raises:
        SelectionError: there is none of this name.
        PluginError: it cannot be imported.
    """
    if name == "reference":
        return hook.reference, None
    if name == "upstream":
        raise SelectionError(
            "syncfree: upstream is a framework's function with other arguments, which a recording does not have; "
            "compare with reference, the hook's own, or measure a program: syncfree ab HOOK A B -- COMMAND"
        )
    if ":" in name:
        module, _, attribute = name.partition(":")
        with attributed_to(f"{name!r} cannot be imported"):
            function: Any = getattr(importlib.import_module(module), attribute)
        found = Implementation(hook, name, None, declaration_of(function), function)
    else:
        given = plugins.implementations.get(hook.name, {})
        if name not in given:
            raise SelectionError(f"syncfree: {name!r} does not implement {hook.name}{nearest(name, [*given, 'reference'])}")
        found = given[name]
    return found.function(), None if found.declaration.exact else hook.tolerance


def check_equal(
    hook: Hook, calls: Sequence[Call], device: str, sides: Mapping[str, tuple[Callable[..., Any], Tolerance | None]]
) -> list[str]:
    """Compare the results of both sides on each call; return the differences, and which calls a side declines."""
    problems = []
    (function_a, of_a), (function_b, of_b) = sides.values()
    tolerance = of_a or of_b
    for call in calls:
        arguments_a, arguments_b = call.arguments(device), call.arguments(device)
        a, b = function_a(**arguments_a), function_b(**arguments_b)
        declining = [name for name, result in zip(sides, (a, b), strict=True) if result is NotImplemented]
        if declining:
            problems.append(f"{' and '.join(declining)} declines {call.path.name}")
            continue
        found = difference(b, a, tolerance)
        for name in hook.writes:
            found = found or difference(arguments_b[name], arguments_a[name], tolerance, f"argument {name!r} afterwards")
        if found:
            problems.append(f"{call.path.name}: {found}")
    return problems


class Replayer:
    """Makes blocks of recorded calls."""

    def __init__(
        self, hook: Hook, calls: Sequence[Call], device: str, design: Design, functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        import torch

        self._torch = torch
        self._hook = hook
        self._functions = functions
        self._design = design
        self._arguments = [_in_order(call.arguments(device)) for call in calls]
        # The copies for a call that changes its arguments would be measured with it on the device.
        self._on_gpu = hook.pure and device != "cpu" and torch.cuda.is_available()
        self._repetitions = 1

    def calibrate(self) -> None:
        """Choose how often a block repeats the calls, so that it lasts as long as the design says."""
        slowest = max(self._seconds(function) for function in self._functions.values() for _ in range(3))
        self._repetitions = min(max(1, round(self._design.block_seconds / max(slowest, 1e-9))), _MOST_REPETITIONS)

    def block(self, side: str) -> Block:
        """Measure one block of a side, after a warm-up."""
        function = self._functions[side]
        for number in range(self._design.warm_up):
            function(**self._own(self._arguments[number % len(self._arguments)]))
        found: Block = {CONTROL: control()}
        calls = self._repetitions * len(self._arguments)
        if self._on_gpu:
            self._torch.cuda.synchronize()
            start, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
        cpu = thread_time()
        host = sum(self._seconds(function) for _ in range(self._repetitions))
        if self._hook.pure:  # else the copies that the loop makes between the calls would be in it
            found["cpu"] = (thread_time() - cpu) / calls
        if self._on_gpu:
            end.record()
            end.synchronize()
            found["device"] = start.elapsed_time(end) / 1e3 / calls
        found["host"] = host / calls
        return found

    def _seconds(self, function: Callable[..., Any]) -> float:
        """Return the time of one call with each of the recorded arguments."""
        if self._hook.pure:
            start = perf_counter()
            for arguments in self._arguments:
                function(**arguments)
            return perf_counter() - start
        seconds = 0.0
        for recorded in self._arguments:
            arguments = self._own(recorded)
            start = perf_counter()
            function(**arguments)
            seconds += perf_counter() - start
        return seconds

    def _own(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return arguments that a call may change."""
        return arguments if self._hook.pure else copied(arguments)


def _in_order(arguments: dict[str, Any]) -> dict[str, Any]:
    for value in arguments.values():
        if isinstance(value, Answers):
            value.by_order()
    return arguments
