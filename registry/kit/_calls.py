"""Calls of one implementation with generated arguments, each beside the hook's reference, and the smallest that shows a fault."""

from __future__ import annotations

import faulthandler
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Flaky

from .._hook import Hook, Tolerance
from .._plugins import Implementation
from ..testing._copies import Mover, copied, in_pinned_memory

GRACE = 3
"""After this many time limits, a call that no signal could end ends its process."""

Arguments = dict[str, Any]


class TimeLimitExceededError(BaseException):
    """A call did not return in time. No `Exception`, so that neither the implementation nor hypothesis handles it."""


@dataclass
class Call:
    """One call of the implementation and one of the reference, with equal arguments.

    Attributes:
        before: the arguments, unchanged.
        own: the arguments that the implementation got, as it left them.
        theirs: those of the reference.
        result: what the implementation returned; None where it raised ``error``.
        expected: what the reference returned; None where it raised ``expected_error``.
    """

    before: Arguments
    own: Arguments
    theirs: Arguments
    result: Any = None
    expected: Any = None
    error: BaseException | None = None
    expected_error: Exception | None = None

    @property
    def is_answered(self) -> bool:
        """Return whether both returned, and the implementation did not decline."""
        return self.error is None and self.expected_error is None and self.result is not NotImplemented


@dataclass
class Finding:
    """A fault: what is wrong, and the smallest arguments that show it."""

    problem: str
    arguments: Arguments = field(default_factory=dict)

    @property
    def shown(self) -> dict[str, str]:
        """The arguments as text."""
        return {name: repr(value) for name, value in self.arguments.items()}


class _Fault(AssertionError):
    """Makes hypothesis look for smaller arguments."""


class Caller:
    """Calls an implementation.

    Args:
        found: the implementation.
        limit: seconds that one call may take.
        examples: how many calls to generate.
        device: where the arguments go; None leaves them on the host.
    """

    def __init__(self, found: Implementation, limit: float, examples: int, device: str | None = None) -> None:
        self.found = found
        self.hook: Hook = found.hook
        self.function = found.function()
        self.limit = limit
        self.examples = examples
        self._device = device

    @property
    def tolerance(self) -> Tolerance | None:
        """Return what the implementation's results are held to: None is bit for bit."""
        return None if self.found.declaration.exact else self.hook.tolerance

    def fresh(self, arguments: Arguments) -> Arguments:
        """Return a copy of generated arguments, on the device where there is one."""
        copy = copied(arguments)
        own = {name: copy[name] for name in self.hook.parameters}  # in the order in which they are passed
        if self._device is None:
            return own
        from ..audit import allow

        def upload(move: Callable[[], Any]) -> Any:
            with allow("the test kit moves the result of an argument's function to the device"):
                return move()

        move = Mover(self._device, upload)
        own.update({name: in_pinned_memory(own[name]) for name in self.hook.pinned})
        return {name: value if name in self.hook.on_host else move(value) for name, value in own.items()}

    def call(self, arguments: Arguments, around: AbstractContextManager[Any] | None = None) -> Call:
        """Call both with copies of some arguments; ``around`` is held while the implementation runs."""
        made = Call(self.fresh(arguments), self.fresh(arguments), self.fresh(arguments))
        try:
            made.expected = self.hook.reference(**made.theirs)
        except Exception as error:  # noqa: BLE001 - the check compares it with what the implementation raises
            made.expected_error = error
        return self.run(made, around)

    def run(self, made: Call, around: AbstractContextManager[Any] | None = None) -> Call:
        """Run the implementation alone with ``made.own``, and keep what it did in ``made``."""
        try:
            with time_limit(self.limit), around or nullcontext():
                made.result = self.function(*made.own.values())
        except TimeLimitExceededError:
            raise
        except BaseException as error:  # noqa: BLE001 - the check decides what it means; sys.exit is no end of this process
            made.error = error
        return made

    def first_fault(
        self, problem_of: Callable[[Call], str | None], around: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> Finding | None:
        """Generate calls until one has a problem; return it with the smallest arguments that show it, None without one."""
        seen: list[Finding] = []

        @settings(
            max_examples=self.examples,
            deadline=None,
            database=None,
            derandomize=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(self.hook.inputs())
        def compare(arguments: Arguments) -> None:
            try:
                made = self.call(arguments, around())
            except TimeLimitExceededError:
                seen.append(Finding(f"a call did not return within {self.limit:g} s", arguments))
                raise
            problem = problem_of(made)
            if problem:
                seen.append(Finding(problem, made.before))
                raise _Fault(problem)

        try:
            compare()
        except _Fault:
            return seen[-1]
        except TimeLimitExceededError:
            return seen[-1]
        except Flaky:
            again = "another call with the same arguments did not show it, so it depends on more than the arguments"
            return Finding(f"{seen[0].problem}\n{again}", seen[0].arguments)
        return None

    def samples(self, count: int) -> list[Arguments]:
        """Return the arguments of some generated calls that are answered; fewer where there are not as many."""
        kept: list[Arguments] = []

        def keep(made: Call) -> None:
            if len(kept) < count and made.is_answered:
                kept.append(made.before)

        on_host = Caller(self.found, self.limit, 3 * count)
        on_host.first_fault(keep)
        return kept


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitExceededError` in the block when it takes longer; end the process if that does not end it.

    For the main thread. Code that no signal reaches (a loop in C) is ended with its process, after `GRACE` limits, with the
    stack on standard error.
    """

    def late(number: int, frame: object) -> None:
        raise TimeLimitExceededError

    usual = signal.signal(signal.SIGALRM, late)
    faulthandler.dump_traceback_later(GRACE * seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, usual)
