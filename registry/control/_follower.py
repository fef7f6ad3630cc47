"""A rank's part in toggles that a command on another machine makes, through the store of the job's process group.

Nothing wakes a rank from outside, so its thread looks into the store: twice in a second, more often for two seconds after a
toggle. Ranks whose processes are all in one run directory need none of this, and stop looking when every rank has said so.

Keys: ``group``, a name of the group; ``where/RANK``, that a rank follows, and where it is; ``asks``, how many toggles have been
asked for; ``ask/N``, the N-th of them. A toggle's own keys begin with its decision, see `_over_store`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import describe_error
from .._log import Log
from .._process_group import current_rank, process_identity
from ._decision import InStore, Place, is_decision
from ._over_store import FollowerLink
from ._store import JobStore, StoreError, default_store, nothing, outcome_key, reference

_SECONDS_BETWEEN = 0.5
_SECONDS_BETWEEN_SOON = 0.01
_SECONDS_SOON = 2.0

Start = Callable[[Mapping[str, Any], FollowerLink, Place], None]
"""Begins a toggle in a thread of its own: the request, the link to the leader, and where it is decided."""


@dataclass(frozen=True, slots=True)
class Group:
    """The process group of this rank, whose processes are in several run directories or on several machines.

    Attributes:
        store: of the group.
        name: the same on all of its ranks.
        ranks: what those say who follow, by rank.
    """

    store: JobStore
    name: str
    ranks: dict[int, dict[str, Any]]


class Follower:
    """The part of one process.

    Args:
        directory: the run directory.
        start: see `Start`.
        log: where a failure is told, at DEBUG.
    """

    def __init__(self, directory: Path, start: Start, log: Log) -> None:
        self._place = _place(directory)
        self._start = start
        self._log = log
        self._tried = nothing
        self._store: JobStore | None = None
        self._name = ""
        self._next = 0
        self._spans = False
        self._soon_until = 0.0
        self._why_not = "it has no process group of torch"

    def ignore(self, store: Callable[[], Any | None]) -> None:
        """Never follow the group of this store: a forked child has its parent's, and is no rank of it."""
        self._tried = store

    def watch(self) -> None:
        """Begin to follow if a process group has been made since the last look. Costs a look into ``sys.modules``."""
        origin = default_store()
        if origin is None or self._tried() is origin:
            return
        self._tried = reference(origin)
        threading.Thread(target=self._follow, args=(origin,), name="syncfree control follower", daemon=True).start()

    def group(self) -> Group:
        """Return the group that this process follows.

        Raises:
            StoreError: it follows none; the message is why.
        """
        store = self._store
        if store is None:
            raise StoreError(self._why_not)
        size = range(store.rank.size)
        return Group(store, self._name, {rank: told for rank in size if isinstance(told := store.get(_where(rank)), dict)})

    def elsewhere(self) -> list[dict[str, Any]]:
        """Return the ranks that follow from other run directories; empty where this process follows no group."""
        try:
            ranks = self.group().ranks
        except StoreError:
            return []
        return [{"rank": rank, **told} for rank, told in ranks.items() if told.get("place") != self._place]

    def _follow(self, origin: Any) -> None:
        rank = current_rank()
        try:
            if rank is None or rank.size == 1:
                return
            store = JobStore(origin, rank)
        except StoreError as error:
            self._why_not = str(error)
            return
        del origin  # the program may destroy its group
        try:
            self._spans = False
            self._name = store.settle("group", os.urandom(8).hex())
            self._next = store.last_number("asks") + 1
            store.set(_where(rank.index), {**process_identity(), "place": self._place})
            self._store = store
            while not self._is_over(store):
                self._look(store)
                time.sleep(_SECONDS_BETWEEN_SOON if time.monotonic() < self._soon_until else _SECONDS_BETWEEN)
        except StoreError as error:
            self._why_not = str(error)
            self._log.debug("syncfree: toggles from other machines end here: %s", error)
        except Exception as error:  # noqa: BLE001 - the program matters more than being reached
            self._why_not = describe_error(error)
            self._log.debug("syncfree: toggles from other machines end here: %s", self._why_not)
        finally:
            self._store = None
            store.close()

    def _is_over(self, store: JobStore) -> bool:
        if not store.is_of(default_store()):
            self._why_not = "its process group has been destroyed"
            return True
        if self._spans:
            return False
        told = store.get_all([_where(rank) for rank in range(store.rank.size)])
        self._spans = told is not None and any(each["place"] != self._place for each in told)
        if told is None or self._spans:
            return False
        self._why_not = "all ranks are in its run directory"
        return True

    def _look(self, store: JobStore) -> None:
        ask = store.get(f"ask/{self._next}")
        if ask is None:
            return
        self._next += 1
        self._soon_until = time.monotonic() + _SECONDS_SOON
        decision = ask.get("decision")
        # A rank that was stopped meanwhile finds toggles that are decided already, without it.
        if is_decision(decision) and store.rank.index in ask["ranks"] and not store.has(outcome_key(decision)):
            self._start(ask, FollowerLink(store, decision), InStore(store, decision))


def ask_ranks(store: JobStore, ask: Mapping[str, Any]) -> None:
    """Ask for a toggle; those of its ``ranks`` that follow begin it at their next look."""
    store.set(f"ask/{store.next_number('asks')}", dict(ask))


def _where(rank: int) -> str:
    return f"where/{rank}"


def _place(directory: Path) -> str:
    """Return what two processes share whose sockets are in one directory, whatever its path is."""
    status = os.stat(directory)
    return f"{machine()}/{status.st_dev}/{status.st_ino}"


def machine() -> str:
    """Return a name of this machine since it was started; of the host's name where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.uname().nodename
