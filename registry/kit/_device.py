"""The checks on a device: a real GPU where torch sees one, else the auditor's simulated one."""

from __future__ import annotations

from .._difference import difference
from .._errors import describe_error
from ..audit import PinnedMemoryRace, SyncBudgetExceeded, audit, simulated
from ._calls import Call, Caller, Finding
from ._values import structure, value_difference

REPEATED_CALLS = 1000
"""Calls of the check `waits` beside the generated ones, for a wait that comes now and then."""


def device(caller: Caller) -> Finding | None:
    """Fail when a result is on another device than the reference's."""

    def problem(made: Call) -> str | None:
        if not made.is_answered:
            return None
        own, expected = structure(made.result, device=True), structure(made.expected, device=True)
        return difference(own, expected, None)

    return caller.first_fault(problem)


def waits(caller: Caller) -> Finding | None:
    """Fail when a call makes the host wait more often than declared, one of many included."""
    declared = caller.found.declaration.host_syncs
    assert declared is not None

    def problem(made: Call) -> str | None:
        if not isinstance(made.error, SyncBudgetExceeded):
            return None
        return f"a call makes the host wait more often than the declared {declared} times:\n{made.error}"

    finding = caller.first_fault(problem, lambda: audit(declared))
    if finding is not None:
        return finding
    samples = caller.samples(20)
    for number in range(REPEATED_CALLS if samples else 0):
        arguments = samples[number % len(samples)]
        made = caller.run(Call(arguments, caller.fresh(arguments), {}), audit(declared))
        text = problem(made)
        if text:
            return Finding(f"{text}\n(call {number + 1} of {REPEATED_CALLS} with repeated arguments)", made.before)
    return None


def poison(caller: Caller) -> Finding | None:
    """Fail when pinned memory is used while a copy to or from it is under way."""

    def problem(made: Call) -> str | None:
        if isinstance(made.error, PinnedMemoryRace):
            return str(made.error)
        wrong = _wrong(caller, made)
        # What is wrong in any mode is the matter of other checks.
        if wrong is None or _wrong(caller, caller.call(made.before)):
            return None
        return f"only where copies take their time, {wrong}: memory is read before the host has waited for a copy to it"

    return caller.first_fault(problem, simulated.poison)


def _wrong(caller: Caller, made: Call) -> str | None:
    """Return how a call differs from the reference's, raising included."""
    if made.error is not None:
        return None if made.expected_error else f"it raises {describe_error(made.error)}"
    return value_difference(caller, made, caller.tolerance)
