"""Two bindings of one hook, and who gets in the way of switching them."""

from __future__ import annotations

from typing import Any

import syncfree
from syncfree import hookimpl
from syncfree.adapting import Binding, Form

from .made_up import GATHER, MadeUp, compose_gather
from .spawned import CALL

REPLACED = "was already replaced by"


def gather_binding() -> Binding:
    """A second binding of the same hook, in another place."""
    return Binding("dp_all_reduce", (GATHER,), (Form(">=1.0,<2", "stalls", "it stalls", (compose_gather,)),))


def theirs(*arguments: Any, **options: Any) -> str:
    """Somebody's patch."""
    return "theirs"


class Raising:
    """A plugin whose implementation raises while it is imported."""

    @hookimpl(exact=True, implementation="raising_implementation:dp_all_reduce")
    def dp_all_reduce(self, local: Any, rank: Any, size: Any, group: Any, device: Any) -> Any:
        """Only declares."""


def state_of(made_up: MadeUp) -> tuple[Any, ...]:
    """Everything that a switch may change."""
    work = made_up.work()
    plan = syncfree.plan()
    return (
        dict(vars(work)),
        dict(vars(work.Sampler)),
        [(entry.targets, entry.choice, entry.source, entry.state) for entry in plan],
        work.reduce(*CALL)[0],
    )
