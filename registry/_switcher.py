"""Switches of hooks to other implementations, by the program, by somebody outside of it, or after a mismatch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ._binder import Binder
from ._bindings import Bindings
from ._change import Change, prepare
from ._choices import Choices, Switch
from ._errors import SyncfreeError, unknown_hook
from ._layers import Layer, Layers
from ._locks import Locks
from ._lockstep import agree
from ._log import log_of
from ._process_group import rank_count
from ._selection import UPSTREAM, Choice, choice_problem
from .hooks import HOOKS

if TYPE_CHECKING:
    from .verifying._mismatch import Mismatch

PROGRAM = "the program"
VERIFICATION = "a mismatch found by verification"
TOGGLE = "syncfree toggle"

Agreement = Callable[[Switch, list[str]], list[str]]
"""Given a switch and its problems on this process, returns why it is not made; called once, under the lock for changes."""


class Switcher:
    """Puts layers of choices on those of the environment and the configuration file, and takes them back."""

    def __init__(self, locks: Locks, bindings: Bindings, binder: Binder) -> None:
        self._locks = locks
        self._bindings = bindings
        self._binder = binder

    def use(self, choices: Mapping[str, str], all_ranks: bool, owner: object) -> Layer:
        """Switch hooks to other implementations; return the new layer of choices.

        Args:
            choices: hook = a plugin's name, ``upstream`` or ``default``.
            all_ranks: switch together with all ranks of the default process group.
            owner: the object that may take the layer back; without it the layer is permanent.

        Raises:
            SelectionError: a wrong name, a choice that cannot be met, or a lockstep hook that the ranks do not switch
                together. Nothing is switched then. While syncfree is switched off, nothing is checked or raised.
        """
        problems = self._wrong_names(choices) if self._bindings.catalogue.enabled else []
        layer = Layer({} if problems else {hook: Choice(name, PROGRAM) for hook, name in choices.items()}, owner)
        self._switch(lambda layers: layers.with_layer(layer), all_ranks, frozenset(choices), problems)
        return layer

    def use_for_good(self, hook: str, choice: str) -> None:
        """Switch a hook as the program would, until it switches it again; see `use`."""
        self.use({hook: choice}, False, owner=lambda: None)  # permanent: nothing keeps its owner

    def take_back(self, layer: Layer, all_ranks: bool) -> None:
        """Undo one `use`: the choices below its layer, or above it since, are in effect.

        Raises:
            SelectionError: see `use`. The layer stays then.
        """
        self._switch(lambda layers: layers.without(layer), all_ranks, frozenset(layer.choices))

    def toggle(self, choices: Mapping[str, str] | None, owners: Sequence[object], agreement: Agreement) -> None:
        """Switch hooks for somebody outside the program, on top of what the same owner switched before.

        Args:
            choices: hook = a plugin's name, ``upstream`` or ``default``; None takes back all that the owners switched.
            owners: whom the choices belong to; kept alive by the caller. New ones belong to the first.
            agreement: decides together with other processes; see `Agreement`.

        Raises:
            SelectionError: a choice that cannot be met, or no agreement. Nothing is switched then.
        """
        before = [layer for owner in owners if (layer := self._bindings.layers.of(owner)) is not None]
        hooks = frozenset(choices if choices is not None else (hook for layer in before for hook in layer.choices))
        problems = self._wrong_names(choices or {})
        named = {} if problems else {hook: Choice(name, TOGGLE) for hook, name in (choices or {}).items()}

        def edit(layers: Layers) -> Layers:
            taken_back = owners if choices is None else owners[:1]
            earlier = [layer for owner in taken_back if (layer := layers.of(owner)) is not None]
            for layer in earlier:
                layers = layers.without(layer)
            if choices is None:
                return layers
            return layers.with_layer(Layer({**(earlier[0].choices if earlier else {}), **named}, owners[0]))

        self._switch(edit, False, hooks, problems, agreement)

    def roll_back(self, mismatch: Mismatch) -> None:
        """Switch a hook to upstream in this process, from a call of it; a failure is logged, and the next mismatch tries again."""
        hook = mismatch.hook
        if self._bindings.choices().of_hook(hook).source == VERIFICATION:  # another thread was faster
            return
        layer = Layer({hook: Choice(UPSTREAM, VERIFICATION)}, owner=lambda: None)  # permanent: nothing keeps its owner
        try:
            self._switch(lambda layers: layers.with_layer(layer), False, frozenset([hook]))
        except SyncfreeError as error:
            log_of().error("syncfree: %s cannot go back to upstream now: %s", hook, error)
        else:
            log_of().error("syncfree: %s is back to upstream in this process, because of %s", hook, VERIFICATION)

    def _wrong_names(self, choices: Mapping[str, str]) -> list[str]:
        found = self._bindings.catalogue.discovered()
        problems = [unknown_hook(hook, HOOKS) for hook in choices if hook not in HOOKS]
        for hook, name in choices.items():
            if hook in HOOKS:
                available = found.plugins.implementations.get(hook, {})
                problems += filter(None, [choice_problem(hook, name, available, found.names)])
        return problems

    def _switch(
        self,
        edit: Callable[[Layers], Layers],
        all_ranks: bool,
        hooks: frozenset[str],
        problems: Iterable[str] = (),
        agreement: Agreement | None = None,
    ) -> None:
        """Switch these hooks to the program's choices, unless there are problems.

        With `all_ranks`, a rank that cannot switch still takes part in the agreement, because the others wait for it. An
        `agreement` sees to the hooks in lockstep itself.
        """
        bindings = self._bindings
        together = all_ranks and rank_count() > 1
        given = list(problems)
        if not bindings.catalogue.enabled:
            # Nothing is bound here, so there is nothing to switch; a warning, because the choice has no effect.
            if together:
                agree({}, ["switched off"])
            log_of().warning(
                "syncfree is switched off; the choice of %s does nothing", ", ".join(sorted(hooks))
            )
            return
        self._locks.admit_switch()
        layers = bindings.layers
        to_agree_on: dict[str, str] = {}
        switch = Switch((), bindings.choices(), bindings.choices())

        def prepared() -> Change:
            nonlocal layers, to_agree_on, switch
            layers = edit(bindings.layers)
            now, then = bindings.choices(), Choices(bindings.catalogue.discovered(), layers)
            change = Change(list(given))
            try:
                states = bindings.of_loaded(hooks)
                switch = Switch(tuple(states), now, then)
                to_agree_on = switch.to_agree_on()
                alone = not all_ranks and agreement is None
                change.problems += switch.alone() if alone else []  # a mixed choice in a lockstep hook hangs
                change.problems += then.problems(states)
                if not change.problems:  # no plugin is imported for a switch that is refused anyway
                    change = prepare(states, then.at, bindings.instruments, import_early=True)
            except SyncfreeError as error:  # kept as a problem: this rank must still reach `agree`
                change.problems.append(str(error))
            return change

        def agreed(problems: list[str]) -> list[str]:
            if agreement is not None:
                return agreement(switch, problems)
            return [*problems, *agree(to_agree_on, problems)] if together else problems

        def made() -> None:
            bindings.layers = layers

        if (change := self._binder.change(prepared, made, agreed=agreed)) is not None:
            change.log()
