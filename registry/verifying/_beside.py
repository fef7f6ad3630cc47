"""One verified call.

1. Copy the arguments (`_copies`). If that fails, or a CUDA graph is being captured, the call is skipped, and counted.
2. Call the chosen function with the arguments themselves, as always. What it raises propagates; what it declines is not
   compared.
3. Call the other function with the copies.
4. Wait for the device, and compare the results and the arguments: bitwise if the implementation declares ``exact``, else
   within the hook's tolerance.
5. On a mismatch, act by the policy: return what the chosen function returned, or, when the hook goes back to upstream, what the
   other function returned and wrote; or raise.

All but 2 is counted as the cost of verification.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Protocol

from .._copies import copied
from .._difference import difference
from .._errors import describe_error
from .._hook import Tolerance
from ..recording._encoding import Heard, listening
from ._mismatch import Mismatch, VerificationError
from ._settings import ROLL_BACK, OnMismatch

_RAISED = object()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two functions that must agree.

    Attributes:
        choice: the name of the chosen implementation.
        tolerance: None compares bitwise.
        names: the parameters, in order.
        writes: the arguments that a call changes by contract.
    """

    choice: str
    chosen: Callable[..., Any]
    other: Callable[..., Any]
    tolerance: Tolerance | None
    names: tuple[str, ...]
    writes: tuple[str, ...]


class Ledger(Protocol):
    """The counters of verified calls."""

    @property
    def on_mismatch(self) -> OnMismatch:
        """The policy."""
        ...

    @property
    def keeps_contents(self) -> bool:
        """Whether the arguments of a mismatch found now are to be kept."""
        ...

    def spent(self, nanoseconds: int) -> None:
        """Count time."""

    def skipped(self, why: str) -> None:
        """Count a call that could not be verified."""

    def compared(self) -> None:
        """Count a verified call."""

    def found(self, choice: str, problem: str, arguments: Mapping[str, Any]) -> Mismatch:
        """Count a mismatch of a call with these arguments, and go back to upstream if the policy says so."""
        ...


@dataclass(frozen=True, slots=True)
class _Arguments:
    """The arguments of a call, as they were passed."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def named(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return them by name."""
        return {**dict(zip(names, self.args, strict=False)), **self.kwargs}


def call_beside(pair: Pair, ledger: Ledger, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call both functions, and return the chosen one's result, or the other's when the hook goes back to upstream.

    Raises:
        VerificationError: they differ, and the policy is ``raise``.
    """
    start = perf_counter_ns()
    arguments = _Arguments(args, kwargs)
    copies = _copied(arguments, ledger)
    if copies is not None and ledger.keeps_contents:
        copies = _Arguments((), listening(copies.named(pair.names)))
    # The other function changes its copies, too, where the contract says so.
    before = _copied(arguments, ledger) if pair.writes and ledger.keeps_contents and copies else copies
    called = perf_counter_ns()
    ledger.spent(called - start)
    result = pair.chosen(*args, **kwargs)
    if copies is None or before is None or result is NotImplemented:
        return result
    returned = perf_counter_ns()
    try:
        with _allowed():
            return _settled(pair, ledger, result, arguments, copies, before)
    finally:
        ledger.spent(perf_counter_ns() - returned)


def _settled(
    pair: Pair, ledger: Ledger, result: Any, arguments: _Arguments, copies: _Arguments, before: _Arguments
) -> Any:
    """Compare with the other function, and return what the framework gets."""
    expected: Any = _RAISED
    problem: str | None
    try:
        expected = pair.other(*copies.args, **copies.kwargs)
    except Exception as error:  # noqa: BLE001 - any exception that the chosen function does not raise is a finding
        problem = f"it returns, where the other raises {describe_error(error)}"
    else:
        if expected is NotImplemented:  # the other declines: there is nothing to compare with
            return result
        try:
            _wait()
            problem = _difference(pair, result, expected, arguments.named(pair.names), copies.named(pair.names))
        except Exception as error:  # noqa: BLE001 - a foreign type that cannot be compared must not stop the framework
            ledger.skipped(f"its results cannot be compared: {describe_error(error)}")
            return result
    ledger.compared()
    if problem is None:
        return result
    functions = {name: value for name, value in copies.named(pair.names).items() if isinstance(value, Heard)}
    mismatch = ledger.found(pair.choice, problem, {**before.named(pair.names), **functions})
    if ledger.on_mismatch == "raise":
        raise VerificationError(f"syncfree: {mismatch}")
    if ledger.on_mismatch != ROLL_BACK or expected is _RAISED:
        return result
    real, twins = arguments.named(pair.names), copies.named(pair.names)
    for name in pair.writes:
        _write_back(real[name], twins[name])
    return expected


def _copied(arguments: _Arguments, ledger: Ledger) -> _Arguments | None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():
        ledger.skipped("it is captured in a CUDA graph")
        return None
    try:
        with _allowed():
            args, kwargs = copied((arguments.args, arguments.kwargs))
            return _Arguments(args, kwargs)
    except Exception as error:  # noqa: BLE001 - a full device, or a foreign tensor type: the framework must not notice
        ledger.skipped(f"its arguments cannot be copied: {describe_error(error)}")
        return None


def _difference(
    pair: Pair, result: Any, expected: Any, arguments: Mapping[str, Any], copies: Mapping[str, Any]
) -> str | None:
    """Return the first difference of the results, and of the arguments afterwards."""
    found = difference(result, expected, pair.tolerance)
    for name, value in arguments.items():
        if isinstance(copies[name], Heard):
            continue
        tolerance = pair.tolerance if name in pair.writes else None
        found = found or difference(value, copies[name], tolerance, f"argument {name!r} afterwards")
    return found


def _wait() -> None:
    """Wait for the device: a contract may let results arrive on the host after the call."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.current_stream().synchronize()


def _write_back(real: Any, copy: Any) -> None:
    """Copy what the other function wrote into the arguments themselves."""
    if real is copy:
        return
    if isinstance(real, (list, tuple)):
        for item, twin in zip(real, copy, strict=True):
            _write_back(item, twin)
    elif dataclasses.is_dataclass(real):
        for field in dataclasses.fields(real):
            _write_back(getattr(real, field.name), getattr(copy, field.name))
    elif hasattr(real, "copy_"):
        real.copy_(copy)
    elif hasattr(real, "__array_interface__"):
        real[...] = copy


@contextmanager
def _allowed() -> Iterator[None]:
    """Let an audit that runs list the syncs of verification apart."""
    audit = sys.modules.get("syncfree.audit")
    if audit is None:
        yield
        return
    with audit.allow("verification compares this call"):
        yield
