"""A toggle in one of the processes that it concerns: everything that can fail, then the wait for the decision of all.

1. The change is prepared as for `syncfree.use`. Why it cannot be made is answered, and nothing more happens.
2. Hooks in lockstep get a gate, in a job of more than one rank. The process answers that it is ready, and where its gate stands.
3. It moves the gate as it is told, until the decision is made, its time is over, or the command is gone. In the last two cases
   it proposes to abort; see `_decision`. It may be told that the decision is made in the job's store, because ranks of other
   machines take part.
4. It makes the change, which is assignments only, or leaves everything as it was. Then the gate is opened.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._binding_state import BindingState
from .._choices import Switch
from .._errors import SyncfreeError
from .._hook import SHARED_MEMORY
from .._log import log_of
from .._process_group import current_rank, rank_count
from .._selection import UPSTREAM
from ._decision import ABORT, COMMIT, AtRanks, InStore, Place, Unknown
from ._directory import entry_of
from ._effects import notes, refusals
from ._follower import Follower, machine
from ._gate import Gate
from ._link import Link, LinkError
from ._over_store import FollowerLink
from ._report import PROTOCOL, pid_namespace
from ._store import StoreError

if TYPE_CHECKING:
    from .._runtime import Runtime

_SECONDS_TO_SEND = 1.0
NOT_AGREED = "the processes of the job did not agree"


class Toggled:
    """One toggle in this process.

    Args:
        runtime: of this process.
        owners: whom toggles belong to: new choices to the first; choices of all of them are taken back.
        directory: the run directory.
        follower: of this process.
        link: to the command, or to the leader on another machine.
        place: where the decision is made.
    """

    def __init__(
        self,
        runtime: Runtime,
        owners: Sequence[object],
        directory: Path,
        follower: Follower,
        link: Link | FollowerLink,
        place: Place,
    ) -> None:
        self._runtime = runtime
        self._owners = owners
        self._directory = directory
        self._follower = follower
        self._link = link
        self._place = place
        self._gate: Gate | None = None
        self._outcome = ""
        self._refused = False

    def run(self, choices: dict[str, str] | None, decision: str, seconds: float) -> None:
        """Make the toggle or leave everything as it is, and tell the command.

        Args:
            choices: hook = a plugin's name, ``upstream`` or ``default``; None takes back what earlier toggles switched.
            decision: the name of the decision.
            seconds: when this process proposes to abort.
        """
        deadline = time.monotonic() + seconds
        try:
            self._runtime.switcher.toggle(
                choices, self._owners, lambda switch, problems: self._agree(switch, problems, decision, deadline)
            )
        except SyncfreeError as error:
            if not self._outcome and not self._refused:
                self._refuse([str(error).removeprefix("syncfree: ")])
            return
        finally:
            if self._gate is not None:
                self._gate.open()
            if self._outcome:
                self._tell({"outcome": self._outcome})

    def _agree(self, switch: Switch, problems: list[str], decision: str, deadline: float) -> list[str]:
        in_lockstep = switch.changed_in_lockstep() if rank_count() > 1 and not problems else []
        problems = problems or [*refusals(switch.states, in_lockstep), *_late(in_lockstep)]
        if problems:
            self._refuse(problems)
            return problems
        self._gate = Gate([patch.slot for state in in_lockstep if state.status == "bound" for patch in state.patches])
        try:
            self._gate.install()
            self._tell(self._readiness(switch, in_lockstep, self._gate))
            self._outcome = self._await(self._gate, decision, deadline)
        finally:
            if self._outcome != COMMIT:
                self._gate.remove()
        return [] if self._outcome == COMMIT else [NOT_AGREED]

    def _readiness(self, switch: Switch, in_lockstep: list[BindingState], gate: Gate) -> dict[str, Any]:
        rank = current_rank()
        choices, sharing = {}, set()
        for state in in_lockstep:
            implementation = switch.then.at(state)[1]
            choices[state.binding.label] = implementation.plugin if implementation is not None else UPSTREAM
            if implementation is not None and SHARED_MEMORY in implementation.declaration.needs:
                sharing.add(f"{state.binding.hook}={implementation.plugin}")
        group, why_not = self._group()
        return {
            "ready": gate.standing().as_dict(),
            "protocol": PROTOCOL,
            "lockstep": choices,
            "sharing": sorted(sharing),
            "rank": None if rank is None else [rank.index, rank.size],
            "group": group,
            "no_group": why_not,
            "machine": f"{machine()}/{pid_namespace()}",
            "notes": notes(switch.states),
            "hooks": sorted({state.binding.hook for state in switch.states if _has_a_place(state, switch)}),
        }

    def _group(self) -> tuple[dict[str, Any] | None, str]:
        try:
            group = self._follower.group()
        except StoreError as error:
            return None, str(error)
        return {"name": group.name, "ranks": {str(rank): told for rank, told in group.ranks.items()}}, ""

    def _await(self, gate: Gate, decision: str, deadline: float) -> str:
        while True:
            try:
                message = self._link.receive(deadline - time.monotonic())
                if message is None:
                    return self._give_up()
                if "through" in message:
                    self._place = self._elsewhere(message["through"], decision)
                    answer: dict[str, Any] = {"through": True}
                elif isinstance(message.get("hold"), int):
                    gate.hold(message["hold"])
                    answer = {"standing": gate.standing().as_dict()}
                else:
                    return self._give_up()
                self._link.send(answer, _SECONDS_TO_SEND)
            except LinkError:
                return self._give_up()

    def _elsewhere(self, ranks: list[str] | None, decision: str) -> Place:
        """Return where it is decided among several machines: in the job's store, or by asking ranks, if this is none."""
        if ranks is None:
            return InStore(self._follower.group().store, decision)
        return AtRanks([entry for name in ranks if (entry := entry_of(self._directory, name))], decision)

    def _give_up(self) -> str:
        """Propose to abort, and return the outcome. Where nobody can say it, this process keeps its choice."""
        try:
            return self._place.decide(ABORT)
        except Unknown as error:
            log_of().warning(
                "syncfree: a toggle's outcome cannot be read, so this process keeps its choices, which other ranks may have "
                "switched: %s. Compare them with `syncfree ps` on each machine",
                error,
            )
            return ABORT

    def _refuse(self, problems: list[str]) -> None:
        self._refused = True
        self._tell({"refused": problems})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._link.send(message, _SECONDS_TO_SEND)
        except LinkError:
            return  # the command is gone; the decision does not depend on it


def _has_a_place(state: BindingState, switch: Switch) -> bool:
    """Return whether a binding is made, or will be when its module is imported."""
    return state.status in ("bound", "waiting") or switch.then.at(state)[1] is not None


def _late(in_lockstep: list[BindingState]) -> list[str]:
    """Return why bindings in lockstep that are not in place yet cannot be made now: calls before cannot be counted."""
    return [
        f"{state.binding.label} is not bound, and ranks that bind it while they serve cannot know at which call they are; start the "
        f"job with an implementation of {state.binding.hook} chosen"
        for state in in_lockstep
        if state.status != "bound" and not state.modules_to_import()
    ]
