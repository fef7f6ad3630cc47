"""The rank of this process in its job, and data that the ranks exchange through the store of their process group.

Waiting at a store has a timeout for a rank that writes nothing; in a collective the others would hang.
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
    """A rank in the default process group."""

    index: int
    size: int


def current_rank() -> Rank | None:
    """Return the rank of this process in the default process group; None without one.

    Imports nothing: while torch is still being imported, in any thread, no process group exists.
    """
    distributed = fully_imported("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return Rank(int(distributed.get_rank()), int(distributed.get_world_size()))


def rank_count() -> int:
    """Return the size of the default process group; 1 without one."""
    rank = current_rank()
    return 1 if rank is None else rank.size


def process_identity() -> dict[str, Any]:
    """Return the host and the pid of this process."""
    return {"host": os.uname().nodename, "pid": os.getpid()}


class Published:
    """The values that the ranks of the default process group wrote under one name; ``rank`` is this process's."""

    def __init__(self, name: str, store: Any, rank: Rank) -> None:
        self.rank = rank.index
        self._store = store
        self._outcome = f"{name}/outcome"
        self._keys = [f"{name}/{index}" for index in range(rank.size)]

    def wait(self, seconds: float) -> list[int]:
        """Wait until every rank has written; return the ranks that had not at the timeout."""
        try:
            self._store.wait(self._keys, timedelta(seconds=seconds))
        except RuntimeError:  # raised at the timeout; the message depends on the store
            return [index for index, key in enumerate(self._keys) if not self._store.check([key])]
        return []

    def settle(self, outcome: str) -> str:
        """Propose an outcome; return that of the first rank to propose one, which counts for all."""
        return str(self._store.compare_set(self._outcome, "", outcome).decode())

    @property
    def outcome(self) -> str | None:
        """The outcome that was settled, if any."""
        return str(self._store.get(self._outcome).decode()) if self._store.check([self._outcome]) else None

    def read(self) -> dict[int, dict[str, Any]]:
        """Return the values written so far, by rank; does not wait."""
        return {index: json.loads(self._store.get(key)) for index, key in enumerate(self._keys) if self._store.check([key])}


def publish(name: str, value: Mapping[str, Any], *, in_rounds: bool = False) -> Published:
    """Write a JSON-serializable value under a name; does not wait.

    Args:
        name: the same on every rank.
        value: replaces the value that this rank wrote before.
        in_rounds: a rank's n-th call belongs with the n-th calls of the others; earlier values are not seen.

    Raises:
        LookupError: this process has no process group.
    """
    rank = current_rank()
    if rank is None:
        raise LookupError("this process has no process group")
    from torch.distributed.distributed_c10d import _get_default_store  # torch has no public accessor

    store = _get_default_store()
    if in_rounds:
        name = f"{name}/{store.add(f'{name}/rounds/{rank.index}', 1)}"
    store.set(f"{name}/{rank.index}", json.dumps(value))
    return Published(name, store, rank)
