"""Whom a toggle concerns, as the command sees them: processes of this machine, by their sockets, and ranks of other machines.

A rank elsewhere is reached through the leader, which is a rank of this machine in the same process group.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ._client import connect
from ._decision import AtRanks, InDirectory, Place
from ._directory import Entry
from ._link import Link, LinkError
from ._report import PROTOCOL

_SECONDS_OF_NOTICE = 1.0
"""A process gives up so much later than the command, which then says why."""
_SECONDS_TO_FINISH = 1.0

Answers = dict[str, dict[str, Any]]
"""The answer of each party, by its name."""


class Failed(Exception):
    """The toggle is given up, for these reasons."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.problems = tuple(problems)


class Parties:
    """Everybody in one toggle.

    Args:
        decision: the name of the decision.
        left: returns the seconds that are left.

    Attributes:
        place: where the decision is made.
        remote: the names of the ranks on other machines.
    """

    def __init__(self, entries: Sequence[Entry], decision: str, left: Callable[[], float]) -> None:
        self.place: Place = InDirectory(entries[0].directory, decision)
        self.remote: dict[int, str] = {}
        self._decision = decision
        self._left = left
        self._entries = {who(entry): entry for entry in entries}
        self._links: dict[str, Link] = {}
        self._leader: Link | None = None

    def begin(self, request: Mapping[str, Any]) -> Answers:
        """Ask the processes of this machine to prepare; return their answers.

        Raises:
            Failed: one cannot be asked, refuses, or does not answer in time.
        """
        silent = []
        for name, entry in self._entries.items():
            try:
                link = connect(entry, max(self._left(), 0.01))
                if link is None:
                    silent.append(f"{name} has ended")
                    continue
                self._links[name] = link
                link.send({**request, "decision": self._decision, "seconds": self._patience()}, self._left())
            except LinkError as error:
                silent.append(f"{name}: {error}")
        if silent:
            raise Failed(silent)
        return self._local_answers("ready", self._links, self._left())

    def reach(self, ranks: Mapping[int, str], local: Mapping[str, int], request: Mapping[str, Any]) -> Answers:
        """Ask ranks of other machines to prepare, too, and decide in the job's store from now on; return their answers.

        Args:
            ranks: their names.
            local: the parties of this machine that are in the same process group, with their ranks.
            request: as of `begin`.

        Raises:
            Failed: as `begin`.
        """
        by_rank = [self._entries[name] for name in sorted(local, key=lambda name: local[name])]
        for name in self._links:
            self._send(name, {"through": None if name in local else [entry.name for entry in by_rank]})
        self._local_answers("through", self._links, self._left())
        self.place = AtRanks(by_rank, self._decision)
        self.remote = dict(ranks)
        try:
            self._leader = connect(by_rank[0], max(self._left(), 0.01))
            if self._leader is None:
                raise Failed([f"{who(by_rank[0])} has ended"])
            asked = {"ranks": sorted(ranks), "decision": self._decision, "seconds": self._patience(), "wait": self._left()}
            self._leader.send({**request, "ask": "relay", **asked}, self._left())
        except LinkError as error:
            raise Failed([f"{who(by_rank[0])}: {error}"]) from error
        return self._remote_answers("ready", self._left())

    def ask(self, message: Mapping[str, Any], expected: str, of: Collection[str]) -> Answers:
        """Say something to those of this machine that are named, and to all on others; return their answers.

        Raises:
            Failed: one of them does not answer as expected.
        """
        links = {name: link for name, link in self._links.items() if name in of}
        for name in links:
            self._send(name, message)
        if self._leader is not None:
            self._say(message, self._left())
        return {**self._local_answers(expected, links, self._left()), **self._remote_answers(expected, self._left())}

    def tell_decided(self) -> list[str]:
        """Tell everybody that it is decided; return what is to be noted of those who do not answer."""
        noted = []
        for name, link in self._links.items():
            try:
                link.send({"decided": True}, _SECONDS_TO_FINISH)
            except LinkError:
                noted.append(f"{name} ended")
        if self._leader is not None:
            try:
                self._say({"decided": True}, _SECONDS_TO_FINISH)
                self._remote_answers("outcome", _SECONDS_TO_FINISH)
            except Failed as failed:
                noted += failed.problems
        for name, link in self._links.items():
            try:
                told = link.receive(_SECONDS_TO_FINISH)
            except LinkError:
                noted.append(f"{name} does not answer any more; it switches before it makes the next call")
            else:
                noted += [] if told else [f"{name} ended"]
        return noted

    def close(self) -> None:
        """Close all links; who still waits for the decision proposes to abort."""
        for link in [*self._links.values(), *([self._leader] if self._leader else [])]:
            link.close()

    def _patience(self) -> float:
        return max(self._left(), 0.01) + _SECONDS_OF_NOTICE

    def _send(self, name: str, message: Mapping[str, Any]) -> None:
        try:
            self._links[name].send(dict(message), max(self._left(), 0.01))
        except LinkError as error:
            raise Failed([f"{name}: {error}"]) from error

    def _say(self, message: Mapping[str, Any], seconds: float) -> None:
        assert self._leader is not None
        try:
            self._leader.send({"say": dict(message), "wait": max(seconds, 0.01)}, max(seconds, 0.01))
        except LinkError as error:
            raise Failed([f"the rank that speaks to other machines: {error}"]) from error

    def _local_answers(self, expected: str, links: Mapping[str, Link], seconds: float) -> Answers:
        found, problems = {}, []
        for name, link in links.items():
            try:
                answer = link.receive(max(min(seconds, self._left()), 0.001))
            except LinkError as error:
                problems.append(f"{name}: {error}")
                continue
            if answer is None:
                problems.append(f"{name} has ended or closed the connection")
            else:
                problems += _problems(name, answer, expected)
                found[name] = answer
        if problems:
            raise Failed(problems)
        return found

    def _remote_answers(self, expected: str, seconds: float) -> Answers:
        if self._leader is None:
            return {}
        try:
            told = self._leader.receive(max(seconds, 0.001) + _SECONDS_OF_NOTICE)
        except LinkError as error:
            raise Failed([f"the rank that speaks to other machines: {error}"]) from error
        if told is None or "answers" not in told:
            why = "it has ended or closed the connection" if told is None else told.get("error")
            raise Failed([f"the rank that speaks to other machines: {why}"])
        answers, problems = told["answers"], []
        for rank, name in self.remote.items():
            answer = answers.get(str(rank))
            if answer is None:
                problems.append(f"{name}: no answer in time")
            else:
                problems += _problems(name, answer, expected)
        if problems:
            raise Failed(problems)
        return {name: answers[str(rank)] for rank, name in self.remote.items()}


def who(entry: Entry) -> str:
    """Return the name of a process of this machine."""
    return f"pid {entry.pid}"


def _problems(name: str, answer: Mapping[str, Any], expected: str) -> list[str]:
    if expected in answer:
        strange = expected == "ready" and answer.get("protocol") != PROTOCOL
        return [f"{name} has another release of syncfree, whose answers are not understood"] if strange else []
    return [f"{name}: {reason}" for reason in answer.get("refused") or [answer.get("error") or "it gave up"]]
