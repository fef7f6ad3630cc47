"""A change of the bindings as a transaction: prepared without a lock, committed under both, retried after another one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from ._change import Change
from ._errors import raise_all
from ._locks import Locks


def commit(
    locks: Locks,
    prepared: Callable[[], Change | None],
    made: Callable[[], None],
    imported: frozenset[str] | None,
    agreed: Callable[[list[str]], list[str]],
) -> Change | None:
    """Prepare a change without a lock and make it under both; prepare it again where another change came first.

    Args:
        locks: of the runtime; see `_locks` for what may be done under them.
        prepared: does everything that can fail; returns None if there is nothing to do.
        made: further assignments.
        imported: limits the search for copies to these modules.
        agreed: given the problems of this rank, returns those of all; called once, under the lock for changes.

    Returns:
        The change that was made; None if there was nothing to do.

    Raises:
        SelectionError: the change has problems. Nothing was changed.
    """
    try:
        for round_number in count():
            generation = locks.generation
            with locks.preparing(round_number):
                change = prepared()
            if change is None:  # an earlier change did the work, or an interrupted thread leaves it for later
                return None
            with locks.changing():
                if locks.generation != generation:
                    continue  # another thread changed something that was read above: prepare again
                raise_all(agreed(change.all_problems()))  # before the first assignment, so that a failure changes nothing
                with locks.state:
                    change.make(imported)
                    made()
                    locks.generation += 1
            break
    finally:
        locks.prepared()
    assert change is not None
    return change
