"""The checks that a call can be made, returns, and raises only what it may."""

from __future__ import annotations

from .._errors import describe_error
from ._calls import Call, Caller, Finding


def signature(caller: Caller) -> Finding | None:
    """Pass: importing it and checking its parameters against the contract, which raise, precede every check."""
    return None


def returns(caller: Caller) -> Finding | None:
    """Fail when a call does not return in time."""
    return caller.first_fault(lambda made: None)


def raises(caller: Caller) -> Finding | None:
    """Fail when a call raises where the reference does not."""

    def problem(made: Call) -> str | None:
        if made.error is None or made.expected_error is not None:
            return None
        return f"raised {describe_error(made.error)}, where the reference does not"

    return caller.first_fault(problem)
