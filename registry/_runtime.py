"""The registry of this process: loads adapters, judges, binds, toggles, restores and reports.

Everything here runs when a framework is loaded or a choice changes; nothing here runs per call. `_locks` states which locks
there are and what may be done under them: a change is prepared without a lock and then made under both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from types import ModuleType

from . import _patch
from ._adapters import Adapters
from ._attach import Attached, attach
from ._binding_state import BindingState, is_executed
from ._change import Change, prepare
from ._choices import Choices, Switch
from ._discovery import Discovered, discover, with_plugins
from ._errors import BindingError, PluginError, SelectionError, SyncfreeError, nearest
from ._frameworks import Installed, find_installed
from ._import_hook import PostImportFinder
from ._layers import Layer, Layers
from ._locks import Locks, Nesting
from ._lockstep import agree
from ._log import log_of
from ._plan import Plan
from ._plugins import Implementation, Plugins, entry_points
from ._process_group import current_rank, rank_count
from ._select import Choice, Selection, choice_problem, is_off, raise_all
from .adapting import Adapter, Attachment
from .hooks import HOOKS

PROGRAM = "the program"


class Runtime:
    """One per process; `syncfree`'s functions are its methods."""

    def __init__(self, adapters: Adapters | None = None, environ: Mapping[str, str] = os.environ) -> None:
        """Make a registry that has loaded nothing.

        Args:
            adapters: the adapters; by default those that are installed, discovered on first use.
            environ: the environment variables that the user's choices are read from.
        """
        self._environ = environ
        self._adapters = adapters
        self._locks = Locks()
        self._nested = Nesting()
        self._finder = PostImportFinder()
        self._layers = Layers()
        self._states: tuple[BindingState, ...] = ()
        self._patched_over: list[_patch.Patch] = []
        self._attached: tuple[Attached, ...] = ()
        self._to_attach: list[tuple[Attachment, Adapter]] = []
        self._executed_modules: set[str] = set()
        self._loaded: dict[str, Adapter] = {}
        self._registered: tuple[tuple[object, str], ...] = ()
        self._discovered: Discovered | None = None

    # What is there

    def adapters(self) -> Adapters:
        """The adapters, discovered on first use."""
        while (found := self._adapters) is None:
            with self._nested.entered() as outermost:
                made = Adapters().discover()
            if not outermost:
                return made
            with self._locks.state:
                self._adapters = self._adapters or made
        return found

    def discovered(self) -> Discovered:
        """The user's selection and the plugins that it permits, discovered and validated on first use.

        Raises:
            SelectionError: the environment or the configuration file names something that does not exist.
        """
        while (found := self._discovered) is None:
            registered = self._registered
            with self._nested.entered() as outermost:
                made = discover(self._environ, registered)
            if not outermost:
                return made
            with self._locks.state:
                if self._discovered is None and self._registered is registered:
                    self._discovered = made
        return found

    def plugins(self) -> Plugins:
        """The plugins that the user's selection permits; see `discovered`."""
        return self.discovered().plugins

    def selection(self) -> Selection:
        """The user's choices; see `discovered`."""
        return self.discovered().selection

    @property
    def enabled(self) -> bool:
        """Whether anything may be bound: neither ``SYNCFREE`` nor the configuration file switches everything off.

        Raises:
            SelectionError: see `discovered`, which is not asked where the variable switches everything off.
        """
        return not is_off(self._environ) and self.selection().enabled

    def register(self, plugin: object, name: str) -> None:
        """Take in a plugin that the program brings.

        Raises:
            PluginError: see `Plugins.register`.
            SelectionError: ``SYNCFREE_PLUGINS`` keeps a plugin of this name out.
        """
        Plugins(HOOKS).register(plugin, name)  # validate it where the caller can see it
        while True:
            before, found = self._registered, self._discovered
            registered = (*before, (plugin, name))
            taken = {point for point, _, _ in entry_points()} if found is None else found.names
            taken = taken | {other for _, other in before}
            if name in taken:
                raise PluginError(f"plugin {name!r}: the name is taken. Taken: {', '.join(sorted(taken))}")
            if found is not None:
                if found.selection.enabled and not found.plugins.permits(name):
                    raise SelectionError(f"syncfree: {found.selection.plugins_source} keeps plugin {name!r} out")
                extended = with_plugins(found, registered)
            with self._locks.state:
                if self._registered is before and self._discovered is found:
                    self._registered = registered
                    if found is not None:
                        self._discovered = extended
                    return

    # Loading and binding

    def forget_selection(self) -> None:
        """Have the user's choices read again by the next load, because nothing is bound by these."""
        with self._locks.state:
            if not self._loaded:
                self._discovered = None

    def load(self, framework: str) -> bool:
        """Judge and bind one framework's bindings: now where their modules are loaded, otherwise on import.

        Returns:
            Whether this call did it: False where it was done before, and where everything is switched off.

        Raises:
            SelectionError: the framework is not installed or has no adapter, or an explicit choice cannot be met. Nothing
                is bound then, and the next call tries again.
        """
        if not self.enabled:
            return False
        adapter = self.adapters().get(framework)
        installed = find_installed(adapter)
        if framework in self._loaded:
            return False
        if installed is None:
            raise SelectionError(f"syncfree: {framework} is not installed")
        states = self._judged(adapter, installed)

        def prepared() -> Change | None:
            if framework in self._loaded:
                return None
            raise_all(self.problems(states))
            return prepare(states, self.choice)

        def made() -> None:
            others = [state for state in self._states if state.adapter.framework != framework]
            self._states = (*others, *states)
            self._loaded = {**self._loaded, framework: adapter}
            self._to_attach = [*self._to_attach, *((attachment, adapter) for attachment in adapter.attachments)]

        try:
            change = self._change(prepared, made)
        except SelectionError:
            self.forget_selection()
            raise
        if change is None:
            return False
        self._watch(attachment.module for attachment in adapter.attachments)
        self._attach_executed()
        return True

    def survey(self) -> list[BindingState]:
        """Judge the bindings of every adapter without binding anything."""
        states, loaded = self._states, self._loaded
        others = [adapter for adapter in self.adapters() if adapter.framework not in loaded]
        return [
            *(state for state in states if state.adapter.framework in loaded),
            *(state for adapter in others for state in self._judged(adapter, find_installed(adapter))),
        ]

    def problems(self, states: Iterable[BindingState]) -> list[str]:
        """Why explicit choices cannot be met at these places; empty when they can."""
        return self._choices().problems(states)

    def choice(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """What is chosen at a place: the choice, and the implementation to use (None: upstream)."""
        return self._choices().at(state)

    def use(self, choices: Mapping[str, str], all_ranks: bool, owner: object) -> Layer:
        """Switch hooks to other implementations; return the layer that does.

        Args:
            choices: hook = a plugin's name, ``upstream`` or ``default``.
            all_ranks: switch together with all ranks of the default process group.
            owner: who may take the layer out again; a layer whose owner is gone stays.

        Raises:
            SelectionError: a wrong name, a choice that cannot be met, or a lockstep hook that the ranks do not switch
                together. Nothing is switched then. While syncfree is switched off, nothing is looked at and nothing raised.
        """
        problems = self._wrong_names(choices) if self.enabled else []
        layer = Layer({} if problems else {hook: Choice(name, PROGRAM) for hook, name in choices.items()}, owner)
        self._switch(lambda layers: layers.with_layer(layer), all_ranks, frozenset(choices), problems)
        return layer

    def _wrong_names(self, choices: Mapping[str, str]) -> list[str]:
        found = self.discovered()
        problems = [f"unknown hook {hook!r}{nearest(hook, HOOKS)}" for hook in choices if hook not in HOOKS]
        for hook, name in choices.items():
            if hook in HOOKS:
                available = found.plugins.implementations.get(hook, {})
                problems += filter(None, [choice_problem(hook, name, available, found.names)])
        return problems

    def take_back(self, layer: Layer, all_ranks: bool) -> None:
        """Undo one `use`: what was chosen below its layer, or above it since, is in force.

        Raises:
            SelectionError: see `use`. The layer stays then.
        """
        self._switch(lambda layers: layers.without(layer), all_ranks, frozenset(layer.choices))

    def restore(self) -> list[str]:
        """Put every original back and forget the program's choices; return what could not be restored."""
        with self._locks.changing(), self._locks.state:
            self._finder.stop()
            patches = [patch for state in self._states if state.status == "bound" for patch in state.patches]
            _patch.take_out(self._patched_over)  # whoever patched over these may be gone; it was reported before
            left = _patch.take_out(patches)
            self._patched_over = [patch for patch in (*self._patched_over, *patches) if not patch.is_out()]
            left += [message for attached in self._attached if (message := attached.undo()) is not None]
            for state in self._states:
                state.restored()
            self._attached, self._to_attach = (), []
            self._loaded = {}
            self._layers = Layers()
            self._executed_modules.clear()
            self._locks.generation += 1
        for message in left:
            log_of().warning("syncfree: %s", message)
        return left

    def plan(self) -> Plan:
        """What this process does with each binding of the loaded frameworks."""
        if not self.enabled:
            return Plan(os.getpid(), False, (), (), ())
        found = self.discovered()
        self._bind_missed()
        broken = (*map(str, found.plugins.broken), *self.adapters().broken)
        try:
            for round_number in count():
                generation, states = self._locks.generation, self._states
                with self._locks.preparing(round_number):  # a switch has it read again; see `Locks.preparing`
                    choices = self._choices()
                    found_at = [(*choices.at(state), state.displaced()) for state in states]
                with self._locks.state:
                    if self._locks.generation == generation:
                        # Not a tuple of a generator: CPython 3.11 fails where another thread walks all objects meanwhile.
                        entries = [state.entry(*what) for state, what in zip(states, found_at, strict=True)]
                        loaded = tuple(self._loaded)
                        break
        finally:
            self._locks.prepared()
        return Plan(os.getpid(), True, loaded, tuple(entries), broken, current_rank())

    def patch(self, target: str) -> _patch.Patch:
        """The bound site of a target.

        Raises:
            LookupError: nothing is bound there.
        """
        for state in self._states:
            for patch in state.patches:
                if str(patch.target) == target and state.status == "bound":
                    return patch
        raise LookupError(f"nothing is bound at {target!r}")

    # How

    def _judged(self, adapter: Adapter, installed: Installed | None) -> list[BindingState]:
        return [BindingState.judge(adapter, installed, binding, self.selection()) for binding in adapter.bindings]

    def _choices(self) -> Choices:
        return Choices(self.discovered(), self._layers)

    def _change(
        self,
        prepared: Callable[[], Change | None],
        made: Callable[[], None] = lambda: None,
        imported: frozenset[str] | None = None,
        agreed: Callable[[list[str]], list[str]] = lambda problems: problems,
    ) -> Change | None:
        """Prepare a change without a lock and make it under both; prepare it again where another change came first.

        Args:
            prepared: everything that can fail; None where there is nothing to do.
            made: further assignments.
            imported: limits the search for copies to these modules.
            agreed: given the problems of this rank, returns those of all; called once, with the right to change.

        Raises:
            SelectionError: there are problems. Nothing was changed.
        """
        try:
            for round_number in count():
                generation = self._locks.generation
                with self._locks.preparing(round_number):
                    change = prepared()
                if change is None:
                    return None
                with self._locks.changing():
                    if self._locks.generation != generation:
                        continue
                    raise_all(agreed(change.all_problems()))
                    with self._locks.state:
                        change.make(imported)
                        made()
                        self._locks.generation += 1
                break
        finally:
            self._locks.prepared()
        assert change is not None
        self._watch(module for state in change.wait for module in state.modules_to_import())
        self._bind_missed()
        return change

    def _watch(self, modules: Iterable[str]) -> None:
        for module in modules:
            if self._executed not in self._finder.waiting.get(module, ()):
                self._finder.watch(module, self._executed)

    def _executed(self, module: ModuleType, imported: frozenset[str]) -> None:
        """Bind what waits for a module that was just executed; called before its import returns.

        Raises:
            SelectionError: an explicit choice cannot be met there. Nothing is bound, the import fails with it, and the next
                import of the module tries again.
        """
        name = module.__name__
        self._executed_modules.add(name)
        if self._locks.interrupted:
            return  # a signal handler imports in the middle of a change; `_bind_missed` binds it later
        unmet: list[tuple[BindingState, str]] = []

        def prepared() -> Change | None:
            states = [state for state in self._loaded_states() if name in state.modules and self._is_ready(state)]
            change = prepare(states, self.choice, executed=self._executed_modules) if states else None
            unmet[:] = change.unmet if change else ()
            return change

        spread = any(len(state.modules) > 1 for state in self._states if name in state.modules)
        try:
            change = self._change(prepared, imported=None if spread else imported)
        except SelectionError as error:
            self._executed_modules.discard(name)
            for state, reason in unmet:
                state.trouble = reason
            log_of().error("%s", error)
            raise
        if change is not None:
            change.log()
        self._attach_executed()

    def _loaded_states(self) -> list[BindingState]:
        """The places of loaded frameworks; those of restored ones stay in the plan until they are loaded again."""
        return [state for state in self._states if state.adapter.framework in self._loaded]

    def _is_ready(self, state: BindingState) -> bool:
        return state.status == "waiting" and not state.modules_to_import(self._executed_modules)

    def _bind_missed(self) -> None:
        """Bind places that wait although their modules are there: an import was under way when they began to wait."""
        nested = self._locks.is_preparing  # what it would import may be what this thread was interrupted in importing

        def prepared() -> Change | None:
            missed = [state for state in self._loaded_states() if self._is_ready(state)]
            if not missed or self._locks.interrupted or nested:
                return None
            change = prepare(missed, self.choice, executed=self._executed_modules)
            change.refuse_unmet()  # nobody is importing now whom an error could reach
            return change

        if (change := self._change(prepared)) is not None:
            change.log()

    def _attach_executed(self) -> None:
        """Attach what belongs into modules that have been executed; what is missing without it is a warning."""
        with self._locks.changing():
            ready = [
                (attachment, adapter) for attachment, adapter in self._to_attach if self._is_executed(attachment.module)
            ]
            self._to_attach = [waiting for waiting in self._to_attach if waiting not in ready]
        for attachment, adapter in ready:
            try:
                attached = attach(attachment, sys.modules[attachment.module])
            except BindingError as error:
                log_of(adapter.logger).warning("syncfree: %s", error)
                continue
            with self._locks.state:
                if adapter.framework in self._loaded:
                    self._attached += (attached,)
                    continue
            attached.undo()  # restored meanwhile

    def _is_executed(self, module: str) -> bool:
        return is_executed(module) or (module in self._executed_modules and module in sys.modules)

    def _switch(
        self, edit: Callable[[Layers], Layers], all_ranks: bool, hooks: frozenset[str], problems: Iterable[str] = ()
    ) -> None:
        """Switch these hooks to what the program chooses, unless there are problems.

        With `all_ranks` a rank that cannot switch takes part in the agreement all the same: the others wait for it.
        """
        together = all_ranks and rank_count() > 1
        given = list(problems)
        if not self.enabled:
            if together:
                agree({}, ["switched off"])
            log_of().warning(
                "syncfree is switched off; the choice of %s does nothing", ", ".join(sorted(hooks))
            )
            return
        self._locks.admit_switch()
        layers = self._layers
        to_agree_on: dict[str, str] = {}

        def prepared() -> Change:
            nonlocal layers, to_agree_on
            layers = edit(self._layers)
            now, then = self._choices(), Choices(self.discovered(), layers)
            change = Change(list(given))
            try:
                states = [state for state in self._loaded_states() if state.binding.hook in hooks]
                switch = Switch(tuple(states), now, then)
                to_agree_on = switch.to_agree_on()
                change.problems += [] if all_ranks else switch.alone()
                change.problems += then.problems(states)
                if not change.problems:
                    change = prepare(states, then.at, import_early=True)
            except SyncfreeError as error:
                change.problems.append(str(error))
            return change

        def agreed(problems: list[str]) -> list[str]:
            return [*problems, *agree(to_agree_on, problems)] if together else problems

        def made() -> None:
            self._layers = layers

        if (change := self._change(prepared, made, agreed=agreed)) is not None:
            change.log()


RUNTIME = Runtime()
