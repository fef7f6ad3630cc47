"""One change of what is bound in this process: first everything that can fail, then assignments only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from . import _patch
from ._binding_state import BindingState
from ._errors import BindingError, PluginError
from ._plugins import Implementation
from ._select import Choice

Chosen: TypeAlias = "Callable[[BindingState], tuple[Choice, Implementation | None]]"


@dataclass
class Change:
    """A change that is ready to be made.

    Attributes:
        problems: why the change must not be made.
        unmet: places where an explicit choice cannot be met, with the reason; the change must not be made then either.
        bind: places whose targets get slots, with these.
        switch: what switches slots that are in place already.
        wait: places that are bound when their modules have been imported.
        leave: places where nothing is to be bound.
        refuse: places that do not fit, with the reason; the framework's own code runs there.
    """

    problems: list[str] = field(default_factory=list)
    unmet: list[tuple[BindingState, str]] = field(default_factory=list)
    bind: list[tuple[BindingState, list[_patch.Patch]]] = field(default_factory=list)
    switch: list[Callable[[], None]] = field(default_factory=list)
    wait: list[BindingState] = field(default_factory=list)
    leave: list[BindingState] = field(default_factory=list)
    refuse: list[tuple[BindingState, str]] = field(default_factory=list)

    def all_problems(self) -> list[str]:
        """Everything for which the change must not be made."""
        return [*self.problems, *(reason for _, reason in self.unmet)]

    def refuse_unmet(self) -> None:
        """Refuse the places where an explicit choice cannot be met, instead of making nothing."""
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
        """Say in the framework's log what was refused and bound."""
        for state, reason in self.refuse:
            state.log.warning("syncfree: %s", reason)
        for state, _ in self.bind:
            state.log.debug("syncfree: bound %s", state.binding.label)


def prepare(
    states: Iterable[BindingState], chosen: Chosen, executed: Collection[str] = (), *, import_early: bool = False
) -> Change:
    """Prepare these places for what is chosen there.

    Args:
        places: where to change something.
        chosen: the choice at a place, and the implementation to use (None: upstream).
        executed: modules that have been executed although their import has not returned.
        import_early: import the implementation also for places whose modules are not there yet.
    """
    change = Change()
    for state in states:
        choice, implementation = chosen(state)
        try:
            if state.status == "bound":
                change.switch += _switches(state, choice, implementation)
            elif state.open:
                _prepare(change, state, implementation, executed, import_early)
        except (BindingError, PluginError) as error:
            if choice.explicit:
                change.unmet.append((state, f"{choice.source}={choice.name} cannot be met: {error}"))
            elif state.status == "bound":
                change.problems.append(str(error))
            else:
                change.refuse.append((state, str(error)))
    return change


def _switches(state: BindingState, choice: Choice, implementation: Implementation | None) -> list[Callable[[], None]]:
    gone = state.displaced()
    if gone is not None and choice.explicit and implementation is not None:
        raise BindingError(gone.why)
    return state.switches(implementation)


def _prepare(
    change: Change, state: BindingState, implementation: Implementation | None, executed: Collection[str], import_early: bool
) -> None:
    if implementation is None:
        if state.status == "waiting":
            change.leave.append(state)
    elif state.modules_to_import(executed):
        if import_early:
            implementation.function()
        change.wait.append(state)
    else:
        change.bind.append((state, state.patches_for(implementation)))
