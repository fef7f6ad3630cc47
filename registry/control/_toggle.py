"""Switch hooks in every process of a job, or in none: the side of the command.

1. Every process prepares the change and says that it is ready. One that refuses, ends, or does not answer in time ends the
   toggle.
2. If the hooks are in lockstep, the ranks are brought to stand still at one call: each is told to hold the calls from the
   furthest rank's on, further ahead after each attempt that came too late.
3. The command makes the decision, which every process reads from the run directory. Until then each of them may abort.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._client import connect
from ._decision import ABORT, COMMIT, decide, new_decision
from ._directory import Entry
from ._link import Link, LinkError

_SECONDS_TO_FINISH = 1.0
_SECONDS_BETWEEN = 0.001
_FURTHEST_AHEAD = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a toggle.

    Attributes:
        switched: in every process; otherwise in none.
        problems: why not.
        notes: what the switch means for code that is captured already, by process.
        call: the call before which the ranks of a lockstep hook switched, counted from the first; None without such a hook.
        seconds: how long it took.
    """

    switched: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    call: int | None
    seconds: float


class _Failed(Exception):
    """The toggle is given up, for these reasons."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.problems = tuple(problems)


def toggle(entries: Sequence[Entry], choices: Mapping[str, str] | None, seconds: float, purpose: str = "") -> Outcome:
    """Switch these processes, of one job, or none of them.

    Args:
        entries: the processes' sockets.
        choices: hook = a plugin's name, ``upstream`` or ``default``; None takes back what earlier toggles switched.
        seconds: how long it may take until the decision.
        purpose: `_timed.COMPARISON` for the choices of a comparison, which are kept apart from those of users.
    """
    begun = time.monotonic()
    return _Toggle(entries, choices, begun, seconds, purpose).run()


class _Toggle:
    def __init__(
        self, entries: Sequence[Entry], choices: Mapping[str, str] | None, begun: float, seconds: float, purpose: str
    ) -> None:
        self._entries = entries
        self._choices = None if choices is None else dict(choices)
        self._begun = begun
        self._seconds = seconds
        self._purpose = purpose
        self._decision = new_decision()
        self._links: dict[Entry, Link] = {}
        self._notes: list[str] = []

    def run(self) -> Outcome:
        call, problems = None, tuple[str, ...]()
        try:
            answers = self._prepared()
            call = self._standing_still(answers)
            self._commit()
        except _Failed as failed:
            problems = failed.problems
        finally:
            self._close()
        return Outcome(not problems, problems, tuple(self._notes), call, time.monotonic() - self._begun)

    def _left(self) -> float:
        return self._begun + self._seconds - time.monotonic()

    def _prepared(self) -> dict[Entry, dict[str, Any]]:
        if len({entry.directory for entry in self._entries}) > 1:
            raise _Failed(["the processes of the job are in several run directories: start all of them with the same XDG_RUNTIME_DIR"])
        request = {"ask": "toggle", "choices": self._choices, "decision": self._decision, "for": self._purpose}
        silent = []
        for entry in self._entries:
            try:
                link = connect(entry, max(self._left(), 0.01))
                if link is None:
                    silent.append(f"{_who(entry)} has ended")
                    continue
                self._links[entry] = link
                # A process gives up later than the command, which then says why.
                link.send({**request, "seconds": max(self._left(), 0.01) + _SECONDS_TO_FINISH}, self._left())
            except LinkError as error:
                silent.append(f"{_who(entry)}: {error}")
        if silent:
            raise _Failed(silent)
        answers = self._answers("ready")
        for entry, answer in answers.items():
            self._notes += [f"{_who(entry)}: {note}" for note in answer["notes"]]
        placed = {hook for answer in answers.values() for hook in answer["hooks"]}
        self._notes += [f"{hook}: no process of the job has a place for it" for hook in self._choices or () if hook not in placed]
        return answers

    def _answers(self, expected: str) -> dict[Entry, dict[str, Any]]:
        """Return the next answer of every process, each with what is expected in it."""
        found, problems = {}, []
        for entry, link in self._links.items():
            try:
                answer = link.receive(max(self._left(), 0.001))
            except LinkError as error:
                problems.append(f"{_who(entry)}: {error}")
                continue
            if answer is None:
                problems.append(f"{_who(entry)} has ended or closed the connection")
            elif expected not in answer:
                why = answer.get("refused") or [answer.get("error") or "it gave up"]
                problems += [f"{_who(entry)}: {reason}" for reason in why]
            else:
                found[entry] = answer
        if problems:
            raise _Failed(problems)
        return found

    def _standing_still(self, answers: dict[Entry, dict[str, Any]]) -> int | None:
        """Hold all ranks at one call, if hooks in lockstep are to be switched; return the call."""
        ranks = {entry: answer for entry, answer in answers.items() if answer["lockstep"]}
        if not ranks:
            return None
        problems = list(_ranks_missing(answers))
        if problems:
            raise _Failed(problems)
        return self._held(ranks)

    def _held(self, ranks: dict[Entry, dict[str, Any]]) -> int:
        standing = {entry: answer["ready"] for entry, answer in ranks.items()}
        call, ahead = _furthest(standing), 1
        before: dict[Entry, dict[str, int]] = {}
        while True:
            if self._left() <= 0:
                raise _Failed([_why_not(standing, call)])
            for entry in ranks:
                self._send(entry, {"hold": call})
            standing = {entry: answer["standing"] for entry, answer in self._answers_of(ranks).items()}
            if _furthest(standing) > call:
                call, ahead = _furthest(standing) + ahead, min(2 * ahead, _FURTHEST_AHEAD)
                continue
            quiet = not any(each["inside"] for each in standing.values())
            if quiet and all(each["calls"] == call for each in standing.values()):
                return call
            if quiet and standing == before and len({each["calls"] for each in standing.values()}) == 1:
                call = _furthest(standing)  # nobody calls at this moment
                continue
            before = standing
            time.sleep(_SECONDS_BETWEEN)

    def _answers_of(self, ranks: dict[Entry, dict[str, Any]]) -> dict[Entry, dict[str, Any]]:
        links = self._links
        self._links = {entry: link for entry, link in links.items() if entry in ranks}
        try:
            return self._answers("standing")
        finally:
            self._links = links

    def _send(self, entry: Entry, message: dict[str, Any]) -> None:
        try:
            self._links[entry].send(message, max(self._left(), 0.01))
        except LinkError as error:
            raise _Failed([f"{_who(entry)}: {error}"]) from error

    def _commit(self) -> None:
        if self._left() <= 0:
            raise _Failed([f"it was not ready within {self._seconds:g} s"])
        if decide(self._entries[0].directory, self._decision, COMMIT) != COMMIT:
            raise _Failed(["a process gave up before all were ready"])
        for entry, link in self._links.items():
            try:
                link.send({"decided": True}, _SECONDS_TO_FINISH)
            except LinkError:
                self._notes.append(f"{_who(entry)} ended")
        for entry, link in self._links.items():
            try:
                told = link.receive(_SECONDS_TO_FINISH)
            except LinkError:
                self._notes.append(f"{_who(entry)} does not answer any more; it switches before it makes the next call")
            else:
                self._notes += [] if told else [f"{_who(entry)} ended"]

    def _close(self) -> None:
        if self._links:
            decide(self._entries[0].directory, self._decision, ABORT)
        for link in self._links.values():
            link.close()


def _ranks_missing(answers: Mapping[Entry, dict[str, Any]]) -> Iterator[str]:
    """Yield why these ranks cannot be switched together."""
    in_lockstep = {entry: answer for entry, answer in answers.items() if answer["rank"]}
    size = max((answer["rank"][1] for answer in in_lockstep.values()), default=1)
    present = {answer["rank"][0] for answer in in_lockstep.values()}
    missing = [str(rank) for rank in range(size) if rank not in present]
    if missing:
        yield (
            f"the job has {size} ranks, and rank {', '.join(missing[:8])} cannot be reached from here: hooks in lockstep are switched "
            "among the processes of one machine, one user and one run directory; elsewhere call syncfree.use(..., all_ranks=True)"
        )
    if len({answer["pid_namespace"] for answer in in_lockstep.values()}) > 1:
        yield "the ranks run in several containers, where hooks in lockstep are not switched"
    chosen = {tuple(sorted(answer["lockstep"].items())) for answer in in_lockstep.values()}
    if len(chosen) > 1:
        yield "the ranks would switch different places: " + "; ".join(
            f"rank {answer['rank'][0]}: {answer['lockstep'] or 'none'}" for answer in in_lockstep.values()
        )


def _furthest(standing: Mapping[Entry, dict[str, int]]) -> int:
    return max(each["calls"] for each in standing.values())


def _why_not(standing: Mapping[Entry, dict[str, int]], call: int) -> str:
    where = "; ".join(
        f"{_who(entry)} made {each['calls']}{', is in one' if each['inside'] else ''}" for entry, each in standing.items()
    )
    return f"the ranks did not come to call {call} together in time: {where}. Give more time with --timeout where a step takes long"


def _who(entry: Entry) -> str:
    return f"pid {entry.pid}"
