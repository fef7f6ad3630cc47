"""Switch hooks in every process of a job, or in none: the side of the command.

1. Every process prepares the change and says that it is ready. One that refuses, ends, or does not answer in time ends the
   toggle. Ranks of other machines are asked through the store of their process group.
2. If the hooks are in lockstep, the ranks are brought to stand still at one call: each is told to hold the calls from the
   furthest rank's on, further ahead after each attempt that came too late.
3. The command makes the decision, which every process reads. Until then each of them may abort.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._decision import ABORT, COMMIT, Unknown, new_decision
from ._directory import Entry
from ._group import Ranks
from ._parties import Answers, Failed, Parties

_SECONDS_BETWEEN = 0.001
_FURTHEST_AHEAD = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a toggle.

    Attributes:
        switched: in every process; otherwise in none.
        problems: why not.
        notes: what the switch means for code that is captured already, by process, and who was not reached.
        call: the call before which the ranks of a lockstep hook switched, counted from the first; None without such a hook.
        seconds: how long it took.
        elsewhere: the ranks on other machines, or in other run directories, that took part.
    """

    switched: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    call: int | None
    seconds: float
    elsewhere: tuple[str, ...] = ()


def toggle(
    entries: Sequence[Entry],
    choices: Mapping[str, str] | None,
    seconds: float,
    purpose: str = "",
    whole_job: bool = True,
) -> Outcome:
    """Switch these processes, of one job, or none of them.

    Args:
        entries: the processes' sockets.
        choices: hook = a plugin's name, ``upstream`` or ``default``; None takes back what earlier toggles switched.
        seconds: how long it may take until the decision.
        purpose: `_timed.COMPARISON` for the choices of a comparison, which are kept apart from those of users.
        whole_job: the ranks that share a process group with these take part, wherever they are.
    """
    request = {"ask": "toggle", "choices": None if choices is None else dict(choices), "for": purpose}
    return _Toggle(entries, request, seconds, whole_job).run()


class _Toggle:
    def __init__(self, entries: Sequence[Entry], request: Mapping[str, Any], seconds: float, whole_job: bool) -> None:
        self._directories = {entry.directory for entry in entries}
        self._request = request
        self._begun = time.monotonic()
        self._seconds = seconds
        self._whole_job = whole_job
        self._parties = Parties(entries, new_decision(), self._left)
        self._notes: list[str] = []

    def run(self) -> Outcome:
        call, problems = None, tuple[str, ...]()
        try:
            answers = self._prepared()
            call = self._standing_still(answers)
            self._commit()
        except Failed as failed:
            problems = failed.problems
            self._abort()
        except BaseException:
            self._abort()
            raise
        finally:
            self._parties.close()
        elsewhere = tuple(self._parties.remote.values())
        return Outcome(not problems, problems, tuple(self._notes), call, time.monotonic() - self._begun, elsewhere)

    def _left(self) -> float:
        return self._begun + self._seconds - time.monotonic()

    def _prepared(self) -> Answers:
        if len(self._directories) > 1:
            raise Failed(
                ["the processes of the job are in several run directories: start all of them with the same XDG_RUNTIME_DIR"]
            )
        answers = self._parties.begin(self._request)
        ranks = Ranks(answers)
        if self._whole_job and (remote := ranks.elsewhere()):
            answers |= self._parties.reach(remote, ranks.leaders(), self._request)
        self._notes += ranks.notes() if self._whole_job else []
        for name, answer in answers.items():
            self._notes += [f"{name}: {note}" for note in answer["notes"]]
        placed = {hook for answer in answers.values() for hook in answer["hooks"]}
        self._notes += [
            f"{hook}: no process of the job has a place for it"
            for hook in self._request["choices"] or ()
            if hook not in placed
        ]
        return answers

    def _standing_still(self, answers: Answers) -> int | None:
        """Hold all ranks at one call, if hooks in lockstep are to be switched; return the call."""
        in_lockstep = {name: answer for name, answer in answers.items() if answer["lockstep"]}
        if not in_lockstep:
            return None
        if problems := Ranks(answers).problems_in_lockstep():
            raise Failed(problems)
        return self._held(in_lockstep)

    def _held(self, ranks: Answers) -> int:
        standing = {name: answer["ready"] for name, answer in ranks.items()}
        call, ahead = _furthest(standing), 1
        before: dict[str, dict[str, int]] = {}
        while True:
            if self._left() <= 0:
                raise Failed([_why_not(standing, call)])
            answers = self._parties.ask({"hold": call}, "standing", ranks)
            standing = {name: answer["standing"] for name, answer in answers.items()}
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

    def _commit(self) -> None:
        if self._left() <= 0:
            raise Failed([f"it was not ready within {self._seconds:g} s"])
        try:
            if self._parties.place.decide(COMMIT) != COMMIT:
                raise Failed(["a process gave up before all were ready"])
        except Unknown as error:
            raise Failed([f"the decision could not be made or read: {error}; `syncfree ps` shows what holds"]) from error
        self._notes += self._parties.tell_decided()

    def _abort(self) -> None:
        try:
            self._parties.place.decide(ABORT)
        except Unknown as error:
            self._notes.append(f"nobody could be told to stop waiting: {error}")


def _furthest(standing: Mapping[str, Mapping[str, int]]) -> int:
    return max(each["calls"] for each in standing.values())


def _why_not(standing: Mapping[str, Mapping[str, Any]], call: int) -> str:
    where = "; ".join(
        f"{name} made {each['calls']}{', is in one' if each['inside'] else ''}" for name, each in standing.items()
    )
    return f"the ranks did not come to call {call} together in time: {where}. Give more time with --timeout where a step takes long"
