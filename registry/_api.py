"""The public functions of ``import syncfree``; they act on the runtime of this process."""

from __future__ import annotations

import gc
from types import TracebackType
from typing import TYPE_CHECKING

from ._errors import SyncfreeError
from ._log import log_of
from ._plan import Plan
from ._plugins import describe
from ._runtime import RUNTIME
from ._slot import Counts
from ._version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self


def load(framework: str) -> Plan:
    """Judge and bind the hooks of one framework in this process; a second call does nothing.

    A target whose module is loaded is bound now, any other right after its module executes. Nothing of the framework is
    imported. One line in the framework's log says what was found.

    Args:
        framework: an adapter's name, such as ``"vllm"``, ``"sglang"`` or ``"diffusers"``.

    Raises:
        SelectionError: a wrong name in the environment or the configuration file, an explicit choice that cannot be met,
            or a framework that is not installed. It is logged at ERROR, and nothing is bound.
    """
    log = log_of()
    try:
        if not RUNTIME.enabled:
            return plan()
        adapter_log = log_of(RUNTIME.adapters().get(framework).logger)
        log = adapter_log
        fresh = RUNTIME.load(framework)
        found = plan()
    except SyncfreeError as error:
        log.error("%s", error)
        raise
    if fresh:
        log.info("syncfree %s in %s: %s", __version__, framework, found.summary())
        for entry in found:
            if entry.framework == framework and entry.state == "refused":
                log.warning("syncfree refused %s", entry.reason)
        for broken in found.broken:
            log.error("syncfree left out %s", broken)
    return found


def plan() -> Plan:
    """What this process does with each binding of the loaded frameworks, and why."""
    return RUNTIME.plan()


def counters() -> dict[str, dict[str, dict[str, Counts]]]:
    """Calls and declines in this process: hook, then target, then choice."""
    found: dict[str, dict[str, dict[str, Counts]]] = {}
    for entry in plan():
        found.setdefault(entry.hook, {}).update(entry.counts)
    return found


class Use:
    """What `use` returns: already in force; as a ``with`` block it is undone at the end."""

    def __init__(self, choices: dict[str, str], all_ranks: bool) -> None:
        self._all_ranks = all_ranks
        self._layer = RUNTIME.use(choices, all_ranks, owner=self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        RUNTIME.take_back(self._layer, self._all_ranks)


def use(*, all_ranks: bool = False, **choices: str) -> Use:
    """Choose implementations in this process: ``syncfree.use(scheduler_step="sync_free")``.

    In force at once, for every thread; ``with syncfree.use(...):`` goes back to the choices before it at the end. It is
    stronger than the environment and the configuration file. What torch.compile or a CUDA graph has captured keeps what
    was chosen then.

    Args:
        choices: hook = a plugin's name, ``"upstream"``, or ``"default"`` (what environment, file and default say).
        all_ranks: switch together with all ranks of the default process group; every rank must make this call at the same
            point. Required for a lockstep hook when there is more than one rank.

    Raises:
        SelectionError: a wrong name, or a choice that cannot be met. Nothing is switched then.
    """
    return Use(choices, all_ranks)


def restore() -> tuple[str, ...]:
    """Put every original back, everywhere it had been propagated; return what could not be put back, and why.

    Choices made in the program are forgotten; `load` starts anew.
    """
    return tuple(RUNTIME.restore())


def register(plugin: object, name: str | None = None) -> None:
    """Take in a plugin that the program brings: a module or object with `hookimpl`-marked functions, or `implementations`.

    Args:
        plugin: it.
        name: the name to choose it by; by default the last part of a module's name, or of the package that `implementations`
            was given, or the class name in lower case.

    Raises:
        PluginError: an unknown hook, a signature that is not the contract's, a name that is taken.
        SelectionError: ``SYNCFREE_PLUGINS`` keeps it out.
    """
    default = getattr(plugin, "__name__", type(plugin).__name__.lower()).rpartition(".")[2]
    RUNTIME.register(plugin, name or default)


def holders(target: str) -> list[str]:
    """Who, besides its slot, holds the original of a bound target: copies that the binding could not reach.

    Slow (it asks the garbage collector); for adapter authors and tests.

    Raises:
        LookupError: nothing is bound at this target.
    """
    patch = RUNTIME.patch(target)
    original = patch.slot.upstream
    own = (patch, patch.slot, *patch.slot.prepared())
    found = []
    for holder in gc.get_referrers(original):
        if any(holder is part for part in own) or getattr(holder, "__name__", None) == "holders":
            continue
        if isinstance(holder, dict) and holder.get("__wrapped__") is original:
            continue  # the bound function's own __wrapped__
        if type(holder).__name__ in ("cell", "frame", "list_iterator"):
            continue
        found.append(f"{describe(type(holder).__name__, None)} {str(holder)[:120]}")
    return found
