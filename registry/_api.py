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
from .verifying._settings import ROLL_BACK, OnMismatch

if TYPE_CHECKING:
    from typing_extensions import Self

    from .verifying._verifier import Verified


def load(framework: str) -> Plan:
    """Judge and bind the hooks of one framework in this process; a second call does nothing.

    A target whose module is loaded is bound now, any other right after its module executes. Nothing of the framework is
    imported. One line in the framework's log reports the result.

    Args:
        framework: an adapter's name, such as ``"vllm"``, ``"sglang"``, ``"sglang-srt"`` or ``"diffusers"``.

    Raises:
        SelectionError: a wrong name in the environment or the configuration file, an explicit choice that cannot be met,
            or a framework that is not installed. The error is also logged at ERROR, and nothing is bound.
    """
    log = log_of()
    try:
        if RUNTIME.is_off:
            return plan()
        log = log_of(RUNTIME.adapters().get(framework).logger)  # before anything of the user's choices is read: that may fail
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
        from .control._server import listen  # sockets, for processes in which a framework is loaded

        listen(RUNTIME, log=log)
        if RUNTIME.selection().metrics is not None:
            from .metrics._export import export_metrics  # imports prometheus_client

            export_metrics(RUNTIME, log)
    return found


def plan() -> Plan:
    """Return the state of each binding of the loaded frameworks in this process, with the reason."""
    return RUNTIME.plan()


def counters() -> dict[str, dict[str, dict[str, Counts]]]:
    """Calls and declines in this process: hook, then target, then choice."""
    found: dict[str, dict[str, dict[str, Counts]]] = {}
    for entry in plan():
        found.setdefault(entry.hook, {}).update(entry.counts)
    return found


class Use:
    """The result of `use`: the choices are already in effect; used as a ``with`` block, its end takes them back."""

    def __init__(self, choices: dict[str, str], all_ranks: bool) -> None:
        self._all_ranks = all_ranks
        self._layer = RUNTIME.switcher.use(choices, all_ranks, owner=self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        RUNTIME.switcher.take_back(self._layer, self._all_ranks)


def use(*, all_ranks: bool = False, **choices: str) -> Use:
    """Choose implementations in this process: ``syncfree.use(scheduler_step="sync_free")``.

    It takes effect at once, in every thread; the end of a ``with syncfree.use(...):`` block goes back to the choices before
    it. It takes precedence over the environment and the configuration file. Code that torch.compile or a CUDA graph has
    captured keeps the choice at capture.

    Args:
        choices: hook = a plugin's name, ``"upstream"``, or ``"default"`` (use environment, file or default).
        all_ranks: switch together with all ranks of the default process group; every rank must make this call at the same
            point. Required for a lockstep hook in a job of more than one rank.

    Raises:
        SelectionError: a wrong name, or a choice that cannot be met. Nothing is switched then.
    """
    return Use(choices, all_ranks)


def verify(*, on_mismatch: OnMismatch = ROLL_BACK, contents: str | None = None, **shares: float) -> None:
    """Verify hooks on a share of their calls from now on, in this process: ``syncfree.verify(sampler_logprob_gather=0.01)``.

    A verified call runs upstream's function (where that cannot be repeated, the hook's reference) on copies beside the chosen
    implementation, and compares bitwise if the implementation declares ``exact``, else within the hook's tolerance. It makes
    the host wait for the device. Calls that torch.compile traces or a CUDA graph captures are not verified.

    Args:
        on_mismatch: ``"upstream"`` logs an error and switches the hook to upstream in this process, and the framework gets
            upstream's result for this call, too; ``"log"`` only logs; ``"raise"`` raises `VerificationError` in the call.
        contents: a folder for the arguments of the first mismatch at each target; they are written nowhere without it.
        shares: hook = the probability with which a call is verified, from 0 (never; the default) to 1.

    Raises:
        SelectionError: an unknown hook or policy, a share outside of 0 to 1, or a hook whose calls cannot be repeated.
            Nothing is changed then.
    """
    RUNTIME.instrumenter.verify(shares, on_mismatch, contents)


def verified() -> dict[str, dict[str, Verified]]:
    """Return what verification found in this process: hook, then target."""
    return RUNTIME.instrumentation.results()


def restore() -> tuple[str, ...]:
    """Restore every original and its propagated copies; return what could not be restored, and why.

    Choices made in the program are forgotten; `load` starts afresh.
    """
    return tuple(RUNTIME.restore())


def register(plugin: object, name: str | None = None) -> None:
    """Register a plugin of the program: a module or object with `hookimpl`-marked functions, or a table of `implementations`.

    Args:
        plugin: the plugin.
        name: the name to choose it by; by default the last part of a module's name, or of the package that `implementations`
            was given, or the class name in lower case.

    Raises:
        PluginError: an unknown hook, a signature that differs from the contract's, or a name that is taken.
        SelectionError: ``SYNCFREE_PLUGINS`` excludes it.
    """
    default = getattr(plugin, "__name__", type(plugin).__name__.lower()).rpartition(".")[2]
    RUNTIME.register(plugin, name or default)


def holders(target: str) -> list[str]:
    """Return the objects, besides its slot, that hold the original of a bound target: copies that the binding did not reach.

    Slow (it searches the garbage collector's objects); for adapter authors and tests.

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
