"""Time a hook's calls in this process, for a comparison that a command makes from outside.

The connection is the comparison: while it is open, a timer stands around the hook's calls. The command says when a block
begins and ends. When the connection closes, whether or not the command is still alive, the timer is taken away, and so are
the choices that the command made for the comparison, as far as one process may do that alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._choices import Switch
from .._errors import SyncfreeError
from .._log import log_of
from .._process_group import rank_count
from ._link import Link, LinkError

if TYPE_CHECKING:
    from .._runtime import Runtime
    from ..measuring._call_timer import CallTimer

COMPARISON = "comparison"
"""The purpose of a toggle that a comparison makes."""

SECONDS_OF_SILENCE = 60.0
"""A command that says nothing for so long is given up; it asks far more often."""

_SECONDS_TO_SEND = 5.0


class ComparisonOwner:
    """Whom the choices of comparisons in a process belong to."""


def timed_calls(runtime: Runtime, owner: ComparisonOwner, hook: str, link: Link) -> None:
    """Time the calls of a hook as the command says, until the connection closes.

    Raises:
        SelectionError: the timer cannot be put around the calls.
        LinkError: the command is silent, or not one of ours.
    """
    runtime.instrumenter.time_calls(hook, True)
    timer = runtime.instrumentation.timer(hook)
    try:
        link.send({"timing": hook}, _SECONDS_TO_SEND)
        while (message := link.receive(SECONDS_OF_SILENCE)) is not None:
            link.send(_answer(timer, message), _SECONDS_TO_SEND)
    finally:
        timer.block = None
        runtime.instrumenter.time_calls(hook, False)
        _take_back(runtime, owner, hook)


def _answer(timer: CallTimer, message: dict[str, Any]) -> dict[str, Any]:
    if isinstance(message.get("begin"), str):
        timer.begin(message["begin"])
        return {"begun": True}
    if isinstance(message.get("end"), int):
        return {"figures": timer.end(message["end"])}
    if "calls" in message:
        return {"calls": timer.timed_calls()}
    raise LinkError("an unknown message")


def _take_back(runtime: Runtime, owner: ComparisonOwner, hook: str) -> None:
    """Take back the comparison's choice, unless the command did, or ranks would then choose differently."""

    def agreement(switch: Switch, problems: list[str]) -> list[str]:
        in_lockstep = rank_count() > 1 and switch.changed_in_lockstep()
        return [*problems, *(["its ranks must switch together"] if in_lockstep else [])]

    try:
        runtime.switcher.toggle(None, [owner], agreement)
    except SyncfreeError as error:
        log_of().warning(
            "syncfree: a comparison of %s ended without taking back its choice, which stays: %s. `syncfree toggle --reset` does it",
            hook,
            str(error).removeprefix("syncfree: "),
        )
