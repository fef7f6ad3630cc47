"""Time a hook's calls in every process of a job: the side of the command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._errors import SyncfreeError
from ._client import connect
from ._directory import Entry
from ._link import Link, LinkError

if TYPE_CHECKING:
    from typing_extensions import Self

_SECONDS_TO_ANSWER = 20.0
"""A process that computes in one long C call answers after it."""


class TimingError(SyncfreeError):
    """The calls of a job cannot be timed, or no longer."""

    page = "docs/ab.md"


class Timing:
    """Connections to the processes of a job, in which a hook's calls are timed as long as the ``with`` block lasts.

    Raises:
        TimingError: here and in each method, a process refuses, has ended, or does not answer.
    """

    def __init__(self, entries: Sequence[Entry], hook: str) -> None:
        self._links: dict[Entry, Link] = {}
        try:
            for entry in entries:
                link = connect(entry, _SECONDS_TO_ANSWER)
                if link is None:
                    raise TimingError(f"pid {entry.pid} has ended")
                self._links[entry] = link
            self._ask({"ask": "time", "hook": hook}, "timing")
        except LinkError as error:
            self.close()
            raise TimingError(f"a process of the job does not answer: {error}") from error
        except BaseException:
            self.close()
            raise

    def begin(self, choice: str) -> None:
        """Begin a block of calls with this choice, in all processes."""
        self._ask({"begin": choice}, "begun")

    def calls(self) -> int:
        """Return how many calls of the block were timed, at the place that has most."""
        answers = self._ask({"calls": True}, "calls").values()
        return max((number for by_target in answers for number in by_target.values()), default=0)

    def end(self, warm_up: int) -> dict[str, dict[str, float]]:
        """End the block; return the figures of each process and target, by ``pid N, target``; see `CallTimer.end`."""
        return {
            f"pid {entry.pid}, {target}": dict(figures)
            for entry, by_target in self._ask({"end": warm_up}, "figures").items()
            for target, figures in by_target.items()
        }

    def close(self) -> None:
        """End the timing in every process."""
        for link in self._links.values():
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _ask(self, message: Mapping[str, Any], expected: str) -> dict[Entry, Any]:
        """Send a message to all processes, then return what each answered."""
        found = {}
        for entry, link in self._links.items():
            with _of_process(entry):
                link.send(dict(message), _SECONDS_TO_ANSWER)
        for entry, link in self._links.items():
            with _of_process(entry):
                answer = link.receive(_SECONDS_TO_ANSWER)
            if answer is None:
                raise TimingError(f"pid {entry.pid} has ended or closed the connection")
            if expected not in answer:
                raise TimingError(f"pid {entry.pid}: {answer.get('error', 'it does not time calls')}")
            found[entry] = answer[expected]
        return found


@contextmanager
def _of_process(entry: Entry) -> Iterator[None]:
    """Turn a `LinkError` into a `TimingError` that names the process."""
    try:
        yield
    except LinkError as error:
        raise TimingError(f"pid {entry.pid}: {error}") from error
