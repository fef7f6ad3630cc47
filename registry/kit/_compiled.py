"""The check of a caller that torch compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._dynamo.testing import CompileCounter
from torch._dynamo.utils import counters

from .._difference import difference
from .._errors import describe_error
from ._calls import Arguments, Caller, Finding, time_limit

CALLS = 4
"""Calls with the arguments of each sample: recompilations come after the first."""


def compiled(caller: Caller) -> Finding | None:
    """Fail when a compiled caller has more graph breaks, or is compiled more often, than around the reference."""
    samples = caller.samples(3)
    for arguments in samples:
        try:
            with time_limit(10 * caller.limit):
                theirs = _compilations(caller, caller.hook.reference, arguments)
                ours = _compilations(caller, caller.function, arguments)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the finding
            return Finding(f"a compiled caller raises {describe_error(error)}", arguments)
        if ours[0] > theirs[0]:
            return Finding(f"{ours[0]} graph breaks, not {theirs[0]} as around the reference: {'; '.join(ours[2])}", arguments)
        if ours[1] > max(theirs[1], 1):
            return Finding(f"compiled {ours[1]} times in {CALLS} equal calls, not {theirs[1]} times as the reference", arguments)
        alone = caller.function(*caller.fresh(arguments).values())
        different = difference(ours[3], alone, caller.hook.tolerance)
        if different:
            return Finding(f"compiled, {different} (expected: what the same call returns uncompiled)", arguments)
    return None


def _compilations(
    caller: Caller, function: Callable[..., Any], arguments: Arguments
) -> tuple[int, int, list[str], Any]:
    """Return the graph breaks and compilations of a compiled caller, the reasons of the breaks, and its last result."""
    torch._dynamo.reset()
    counters.clear()
    counter = CompileCounter()
    compiled_caller = torch.compile(lambda *given: function(*given), backend=counter)
    result = None
    for _ in range(CALLS):
        result = compiled_caller(*caller.fresh(arguments).values())
    breaks = counters["graph_break"]
    reasons = [text.strip().partition("\n")[0] for text in breaks]
    return sum(breaks.values()), counter.frame_count, reasons, result
