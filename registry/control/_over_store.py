"""A toggle's messages between processes of several machines, over the job's store.

The leader, which the command talks to, writes each message once for all ranks; every rank answers under a key of its own. Who
expects something looks for it again and again, at first every half a millisecond.

The keys of a toggle, below the name of its decision: ``say/N``, the leader's N-th message; ``answer/N/RANK``, to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ._link import LinkError
from ._store import JobStore, outcome_key

T = TypeVar("T")

_FIRST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.01
_OVER = "over"


class FollowerLink:
    """The leader, as a rank sees it: in place of a `Link`.

    Args:
        store: the job's.
        decision: the name of the toggle's decision.
    """

    def __init__(self, store: JobStore, decision: str) -> None:
        self._store = store
        self._decision = decision
        self._said = self._answered = 0

    def send(self, message: dict[str, Any], seconds: float) -> None:
        """Answer the last message.

        Raises:
            StoreError: the store has gone.
        """
        self._store.set(answer_key(self._decision, self._answered, self._store.rank.index), message)
        self._answered += 1

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message; None when the toggle is decided without one.

        Raises:
            LinkError: there is none in time, or the store has gone.
        """
        key, outcome = say_key(self._decision, self._said), outcome_key(self._decision)

        def look() -> dict[str, Any] | None:
            message = self._store.get(key)
            if isinstance(message, dict):
                return message
            return {_OVER: True} if self._store.has(outcome) else None

        message = awaited(look, time.monotonic() + seconds)
        if message is None:
            raise LinkError("no answer in time")
        self._said += 1
        return None if _OVER in message else message


class LeaderLink:
    """The ranks that the leader speaks to.

    Args:
        store: the job's.
        decision: the name of the toggle's decision.
        ranks: who is spoken to.
    """

    def __init__(self, store: JobStore, decision: str, ranks: Sequence[int]) -> None:
        self._store = store
        self._decision = decision
        self._ranks = tuple(ranks)
        self._said = self._answers = 0

    def say(self, message: dict[str, Any]) -> None:
        """Write a message for all."""
        self._store.set(say_key(self._decision, self._said), message)
        self._said += 1

    def answers(self, seconds: float) -> dict[int, Any]:
        """Return the ranks' next answers; those that do not answer in time are missing."""
        keys = {rank: answer_key(self._decision, self._answers, rank) for rank in self._ranks}
        self._answers += 1
        found = awaited(lambda: self._store.get_all(list(keys.values())), time.monotonic() + seconds)
        if found is not None:
            return dict(zip(keys, found, strict=True))
        return {rank: answer for rank, key in keys.items() if (answer := self._store.get(key)) is not None}

    def forget(self) -> None:
        """Remove the messages and answers; a rank that still expects one gives up when its time is over."""
        says = [say_key(self._decision, number) for number in range(self._said)]
        answers = [answer_key(self._decision, number, rank) for number in range(self._answers) for rank in self._ranks]
        self._store.forget(says + answers)


def awaited(look: Callable[[], T | None], deadline: float) -> T | None:
    """Look until something is there; None if there is nothing at the deadline, a time of `time.monotonic`."""
    pause = _FIRST_PAUSE_S
    while (found := look()) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(1.2 * pause, _LONGEST_PAUSE_S)
    return found


def say_key(decision: str, number: int) -> str:
    """Return the key of the leader's message of this number, from 0."""
    return f"{decision}/say/{number}"


def answer_key(decision: str, number: int, rank: int) -> str:
    """Return the key of a rank's answer of this number, from 0."""
    return f"{decision}/answer/{number}/{rank}"
