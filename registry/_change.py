"""One change of what is bound in this process: first everything that can fail, then assignments only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from . import _bind
from ._errors import BindingError, PluginError
from ._place import Place
from ._plugins import Implementation
from ._select import Choice

Chosen: TypeAlias = "Callable[[Place], tuple[Choice, Implementation | None]]"


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
    unmet: list[tuple[Place, str]] = field(default_factory=list)
    bind: list[tuple[Place, list[_bind.Site]]] = field(default_factory=list)
    switch: list[Callable[[], None]] = field(default_factory=list)
    wait: list[Place] = field(default_factory=list)
    leave: list[Place] = field(default_factory=list)
    refuse: list[tuple[Place, str]] = field(default_factory=list)

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
        for place, sites in self.bind:
            place.put(sites)
        for place in self.wait:
            place.state = "waiting"
        for place in self.leave:
            place.state = "not bound"
        for place, reason in self.refuse:
            place.refuse(reason)
        for package in {place.adapter.package for place, _ in self.bind}:
            modules = set(_bind.package_modules(package))
            sites = [site for place, sites in self.bind if place.adapter.package == package for site in sites]
            _bind.propagate(sites, modules if imported is None else modules & imported)

    def log(self) -> None:
        """Say in the framework's log what was refused and bound."""
        for place, reason in self.refuse:
            place.log.warning("syncfree: %s", reason)
        for place, _ in self.bind:
            place.log.debug("syncfree: bound %s", place.binding.label)


def prepare(
    places: Iterable[Place], chosen: Chosen, executed: Collection[str] = (), *, import_early: bool = False
) -> Change:
    """Prepare these places for what is chosen there.

    Args:
        places: where to change something.
        chosen: the choice at a place, and the implementation to use (None: upstream).
        executed: modules that have been executed although their import has not returned.
        import_early: import the implementation also for places whose modules are not there yet.
    """
    change = Change()
    for place in places:
        choice, implementation = chosen(place)
        try:
            if place.state == "bound":
                change.switch += _switches(place, choice, implementation)
            elif place.open:
                _prepare(change, place, implementation, executed, import_early)
        except (BindingError, PluginError) as error:
            if choice.explicit:
                change.unmet.append((place, f"{choice.source}={choice.name} cannot be met: {error}"))
            elif place.state == "bound":
                change.problems.append(str(error))
            else:
                change.refuse.append((place, str(error)))
    return change


def _switches(place: Place, choice: Choice, implementation: Implementation | None) -> list[Callable[[], None]]:
    gone = place.displaced()
    if gone is not None and choice.explicit and implementation is not None:
        raise BindingError(gone.why)
    return place.switches(implementation)


def _prepare(
    change: Change, place: Place, implementation: Implementation | None, executed: Collection[str], import_early: bool
) -> None:
    if implementation is None:
        if place.state == "waiting":
            change.leave.append(place)
    elif place.modules_to_import(executed):
        if import_early:
            implementation.function()
        change.wait.append(place)
    else:
        change.bind.append((place, place.sites_for(implementation)))
