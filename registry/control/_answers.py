"""The answers of this process to commands, over its socket or through the job's store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import SyncfreeError, describe_error
from .._log import Log
from ..hooks import HOOKS
from ._decision import ABORT, COMMIT, InDirectory, InStore, Place, Unknown, is_decision
from ._follower import Follower
from ._link import Link, LinkError
from ._over_store import FollowerLink
from ._relay import relay
from ._report import report
from ._store import StoreError
from ._timed import COMPARISON, ComparisonOwner, timed_calls
from ._toggled import Toggled

if TYPE_CHECKING:
    from .._runtime import Runtime

_SECONDS_TO_ANSWER = 5.0
_LONGEST_TOGGLE_S = 600.0
_MISMATCH = "syncfree: an unknown request; the command and the process have different releases of syncfree"


class Answers:
    """The answers of one process.

    Args:
        runtime: of this process.
        owner: whom toggles belong to.
        job: of this process.
        directory: the run directory.
        log: where the follower tells why it ends.

    Attributes:
        follower: this process's part in toggles of other machines.
    """

    def __init__(self, runtime: Runtime, owner: object, job: str, directory: Path, log: Log) -> None:
        self._runtime = runtime
        self._owner = owner
        self._job = job
        self._directory = directory
        self._log = log
        self._toggling = threading.Lock()
        self._timing = threading.Lock()
        self._comparison = ComparisonOwner()
        self.follower = Follower(directory, self._begin, log)

    def answer(self, request: Mapping[str, Any], link: Link) -> None:
        """Do what is asked.

        Raises:
            SyncfreeError: it is nothing that we know, or cannot be done.
        """
        try:
            self._answer(request, link)
        except (StoreError, Unknown) as error:
            raise SyncfreeError(f"syncfree: {error}") from error  # a `LinkError` is not answered

    def _answer(self, request: Mapping[str, Any], link: Link) -> None:
        asked = request.get("ask")
        if asked == "report":
            told = report(self._runtime, self._job)
            link.send({"report": {**told, "elsewhere": self.follower.elsewhere()}}, _SECONDS_TO_ANSWER)
        elif asked == "toggle":
            self._toggle(request, link, InDirectory(self._directory, str(request.get("decision"))))
        elif asked == "time" and request.get("hook") in HOOKS:
            self._time(str(request["hook"]), link)
        elif asked == "decide" and is_decision(request.get("decision")) and request.get("outcome") in (COMMIT, ABORT):
            place = InStore(self.follower.group().store, request["decision"])
            link.send({"outcome": place.decide(request["outcome"])}, _SECONDS_TO_ANSWER)
        elif asked == "relay" and is_decision(request.get("decision")) and _are_choices(request.get("choices")):
            relay(self.follower.group(), request, link)
        else:
            raise SyncfreeError(_MISMATCH)

    def _begin(self, request: Mapping[str, Any], link: FollowerLink, place: Place) -> None:
        """Begin a toggle that a leader asks for."""
        threading.Thread(
            target=self._follow, args=(request, link, place), name="syncfree control toggle", daemon=True
        ).start()

    def _follow(self, request: Mapping[str, Any], link: FollowerLink, place: Place) -> None:
        try:
            self._toggle(request, link, place)
        except LinkError as error:
            self._log.debug("syncfree: a toggle from another machine ended: %s", error)
        except Exception as error:  # noqa: BLE001 - the command gets the reason
            try:
                link.send({"error": describe_error(error)}, _SECONDS_TO_ANSWER)
            except LinkError as gone:
                self._log.debug("syncfree: a toggle from another machine ended: %s", gone)

    def _toggle(self, request: Mapping[str, Any], link: Link | FollowerLink, place: Place) -> None:
        choices, decision, seconds = request.get("choices"), request.get("decision"), request.get("seconds")
        if not _are_choices(choices) or not is_decision(decision) or not isinstance(seconds, int | float):
            raise SyncfreeError("syncfree: a toggle without valid choices, decision and seconds")
        limit = min(float(seconds), _LONGEST_TOGGLE_S)
        if not self._toggling.acquire(timeout=limit / 4):
            link.send({"refused": ["another toggle is under way in this process"]}, _SECONDS_TO_ANSWER)
            return
        try:
            toggled = Toggled(
                self._runtime, self._owners(choices, request.get("for")), self._directory, self.follower, link, place
            )
            toggled.run(choices, str(decision), limit)
        finally:
            self._toggling.release()

    def _owners(self, choices: object, purpose: object) -> list[object]:
        """Return whose choices a toggle is about: a comparison has its own; a reset by a user takes back both."""
        if purpose == COMPARISON:
            return [self._comparison]
        return [self._owner, self._comparison] if choices is None else [self._owner]

    def _time(self, hook: str, link: Link) -> None:
        if not self._timing.acquire(blocking=False):
            link.send({"error": "another comparison is under way in this process"}, _SECONDS_TO_ANSWER)
            return
        try:
            timed_calls(self._runtime, self._comparison, hook, link)
        finally:
            self._timing.release()


def _are_choices(choices: object) -> bool:
    return choices is None or (isinstance(choices, dict) and all(isinstance(name, str) for name in choices.values()))
