"""One change of the bindings of this process: first everything that can fail, then assignments only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from . import _patch
from ._binding_state import BindingState
from ._errors import BindingError, PluginError
from ._instruments import Instrument
from ._plugins import Implementation
from ._selection import Choice

Chosen: TypeAlias = "Callable[[BindingState], tuple[Choice, Implementation | None]]"


@dataclass
class Change:
    """A change that is ready to be made.

    Attributes:
        problems: reasons not to make the change.
        unmet: bindings whose explicit choice cannot be met, with the reason; these, too, prevent the change.
        bind: bindings to make, with their patches.
        switch: functions that switch the slots of existing bindings.
        wait: bindings to make when their modules have been imported.
        leave: waiting bindings that are no longer to be made.
        refuse: bindings that do not fit, with the reason; the framework's own code runs there.
    """

    problems: list[str] = field(default_factory=list)
    unmet: list[tuple[BindingState, str]] = field(default_factory=list)
    bind: list[tuple[BindingState, list[_patch.Patch]]] = field(default_factory=list)
    switch: list[Callable[[], None]] = field(default_factory=list)
    wait: list[BindingState] = field(default_factory=list)
    leave: list[BindingState] = field(default_factory=list)
    refuse: list[tuple[BindingState, str]] = field(default_factory=list)

    def all_problems(self) -> list[str]:
        """Return all reasons not to make the change."""
        return [*self.problems, *(reason for _, reason in self.unmet)]

    def refuse_unmet(self) -> None:
        """Refuse the bindings whose explicit choice cannot be met, so that the rest of the change can be made."""
        self.refuse += self.unmet
        self.unmet = []

    def make(self, imported: frozenset[str] | None = None) -> None:
        """Assign everything; ``imported`` limits the search for copies to these modules."""
        for switch in self.switch:
            switch()
        for state, patches in self.bind:
            state.put(patches)
        for state in self.wait:
            state.status = "waiting"
        for state in self.leave:
            state.status = "not bound"
        for state, reason in self.refuse:
            state.refuse(reason)
        for package in {state.adapter.package for state, _ in self.bind}:
            modules = set(_patch.package_modules(package))
            patches = [patch for state, patches in self.bind if state.adapter.package == package for patch in patches]
            _patch.propagate(patches, modules if imported is None else modules & imported)

    def log(self) -> None:
        """Log in the framework's log what was refused and bound."""
        for state, reason in self.refuse:
            state.log.warning("syncfree: %s", reason)
        for state, _ in self.bind:
            state.log.debug("syncfree: bound %s", state.binding.label)


def prepare(
    states: Iterable[BindingState],
    chosen: Chosen,
    instruments: Callable[[str], Sequence[Instrument]],
    executed: Collection[str] = (),
    *,
    import_early: bool = False,
) -> Change:
    """Prepare the change of these bindings to their current choices; assigns nothing.

    Args:
        states: the bindings to change.
        chosen: returns a binding's choice, and the implementation to use (None: upstream).
        instruments: returns the instruments of a hook, by its name.
        executed: modules that have been executed although their import has not returned.
        import_early: import the implementation also for bindings whose modules are not imported yet.
    """
    change = Change()
    for state in states:
        choice, implementation = chosen(state)
        try:
            if state.status == "bound":
                # The target holds our function already: only its slot changes.
                change.switch += _switches(state, choice, implementation, instruments(state.binding.hook))
            elif state.open:
                _prepare(change, state, implementation, instruments(state.binding.hook), executed, import_early)
            # Else it was refused by its judgement, or restored: no choice changes that.
        except (BindingError, PluginError) as error:
            if choice.explicit:
                # The user named it, so it is met or refused with an error: the caller decides (`refuse_unmet`).
                change.unmet.append((state, f"{choice.source}={choice.name} cannot be met: {error}"))
            elif state.status == "bound":
                # The previous implementation would keep running under the new choice.
                change.problems.append(str(error))
            else:
                # A default may fall back: upstream runs, and the refusal is logged.
                change.refuse.append((state, str(error)))
    return change


def _switches(
    state: BindingState, choice: Choice, implementation: Implementation | None, instruments: Sequence[Instrument]
) -> list[Callable[[], None]]:
    displaced = state.displaced()
    if displaced is not None and choice.explicit and implementation is not None:
        # Switching a slot that nothing may call any more would not meet the user's choice.
        raise BindingError(displaced.why)
    return state.switches(implementation, instruments)


def _prepare(
    change: Change,
    state: BindingState,
    implementation: Implementation | None,
    instruments: Sequence[Instrument],
    executed: Collection[str],
    import_early: bool,
) -> None:
    if implementation is None:
        if state.status == "waiting":  # for an implementation that is no longer chosen
            change.leave.append(state)
    elif state.modules_to_import(executed):
        if import_early:  # a broken implementation is an error now rather than in the framework's import
            implementation.function()
        change.wait.append(state)
    else:
        change.bind.append((state, state.patches_for(implementation, instruments)))
