"""The leader of a toggle over several machines: it passes on what the command says to the ranks of its group elsewhere.

The command asks one rank of its machine to be it. Each request is passed on to all ranks, and their answers come back
together. When the command is gone, or its time is over, the leader proposes to abort.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from .._errors import SyncfreeError
from ._decision import ABORT
from ._follower import Group, ask_ranks
from ._link import Link
from ._over_store import LeaderLink
from ._store import StoreError, outcome_key

_SECONDS_TO_SEND = 1.0


def relay(group: Group, request: Mapping[str, Any], link: Link) -> None:
    """Be the leader of one toggle.

    Args:
        group: whose ranks are passed on to.
        request: the ranks, the toggle's choices, its decision and its seconds.
        link: to the command.

    Raises:
        LinkError: the command or the store is gone.
        SyncfreeError: a rank that is asked for does not follow.
    """
    ranks: Sequence[int] = request["ranks"]
    strangers = [str(rank) for rank in ranks if rank not in group.ranks]
    if strangers:
        raise SyncfreeError(f"rank {', '.join(strangers)} does not follow")
    deadline = time.monotonic() + request["seconds"]
    leader = LeaderLink(group.store, request["decision"], ranks)
    try:
        ask_ranks(group.store, {name: request[name] for name in ("ranks", "choices", "for", "decision", "seconds")})
        _pass_back(leader, link, request["wait"])
        while (message := link.receive(deadline - time.monotonic())) is not None:
            leader.say(message["say"])
            _pass_back(leader, link, message["wait"])
    finally:
        with suppress(StoreError):
            group.store.settle(outcome_key(request["decision"]), ABORT)
            leader.forget()


def _pass_back(leader: LeaderLink, link: Link, seconds: float) -> None:
    answers = leader.answers(seconds)
    link.send({"answers": {str(rank): answer for rank, answer in answers.items()}}, _SECONDS_TO_SEND)
