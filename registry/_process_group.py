"""This process among the ranks of its job, and what the ranks tell each other through the store of their process group.

A store has a time limit for a rank that says nothing; in a collective the others would wait for it for ever.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ._modules import fully_imported


@dataclass(frozen=True, slots=True)
class Rank:
    """A place in the default process group."""

    index: int
    size: int


def current_rank() -> Rank | None:
    """The rank of this process in the default process group; None without one.

    Imports nothing: a torch that is still being imported, in whatever thread, has no process group yet.
    """
    distributed = fully_imported("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Rank(int(distributed.get_rank()), int(distributed.get_world_size()))


def rank_count() -> int:
    """The size of the default process group; 1 without one."""
    rank = current_rank()
    return 1 if rank is None else rank.size


def process_identity() -> dict[str, Any]:
    """Which process of which machine this is."""
    return {"host": os.uname().nodename, "pid": os.getpid()}


class Published:
    """What each rank of the default process group wrote under one name; ``rank`` is this process's."""

    def __init__(self, name: str, store: Any, rank: Rank) -> None:
        self.rank = rank.index
        self._store = store
        self._outcome = f"{name}/outcome"
        self._keys = [f"{name}/{index}" for index in range(rank.size)]

    def wait(self, seconds: float) -> list[int]:
        """Wait until every rank has written; return the ranks that had not when the time was over."""
        try:
            self._store.wait(self._keys, timedelta(seconds=seconds))
        except RuntimeError:  # what a store raises at the end of the time; each says it in its own words
            return [index for index, key in enumerate(self._keys) if not self._store.check([key])]
        return []

    def settle(self, outcome: str) -> str:
        """Propose an outcome; return the one that stands, which the first rank to propose decides for all."""
        return str(self._store.compare_set(self._outcome, "", outcome).decode())

    @property
    def outcome(self) -> str | None:
        """What has been settled, if anything."""
        return str(self._store.get(self._outcome).decode()) if self._store.check([self._outcome]) else None

    def read(self) -> dict[int, dict[str, Any]]:
        """What has been written so far, by rank; does not wait."""
        return {index: json.loads(self._store.get(key)) for index, key in enumerate(self._keys) if self._store.check([key])}


def publish(name: str, what: Mapping[str, Any], *, in_rounds: bool = False) -> Published:
    """Write something JSON-serializable under a name; does not wait.

    Args:
        name: the same on every rank.
        what: takes the place of what this rank wrote there before.
        in_rounds: the n-th call of a rank belongs with the n-th of the others; what was written before is not seen.

    Raises:
        LookupError: this process has no process group.
    """
    rank = current_rank()
    if rank is None:
        raise LookupError("this process has no process group")
    from torch.distributed.distributed_c10d import _get_default_store  # there is no public way to a group's store

    store = _get_default_store()
    if in_rounds:
        name = f"{name}/{store.add(f'{name}/rounds/{rank.index}', 1)}"
    store.set(f"{name}/{rank.index}", json.dumps(what))
    return Published(name, store, rank)
