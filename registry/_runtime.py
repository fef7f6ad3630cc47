"""The registry of this process: loads adapters, judges, binds, toggles, restores and reports.

Everything here runs when a framework is loaded or a choice changes; nothing here runs per call. `_locks` describes the locks
and what may be done under them: a change is prepared without a lock and then made under both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING

from . import _patch
from ._adapters import Adapters
from ._attach import Attached, attach
from ._binding_state import BindingState, is_executed
from ._change import Change, prepare
from ._choices import Choices, Switch
from ._discovery import Discovered, discover, with_plugins
from ._errors import BindingError, PluginError, SelectionError, SyncfreeError, unknown_hook
from ._exit_report import report_at_exit
from ._frameworks import Installed, find_installed
from ._import_hook import PostImportFinder
from ._instrumentation import Instrumentation
from ._instruments import Instrument
from ._layers import Layer, Layers
from ._locks import Locks, Nesting
from ._lockstep import agree
from ._log import log_of
from ._plan import Plan
from ._plugins import Implementation, Plugins, entry_points
from ._process_group import current_rank, rank_count
from ._select import UPSTREAM, Choice, Selection, choice_problem, is_off, raise_all
from ._waiting import Waiting
from .adapting import Adapter, Attachment
from .hooks import HOOKS
from .verifying._settings import OnMismatch, Settings, policy_problems, share_problems

if TYPE_CHECKING:
    from .measuring._call_timer import CallTimer
    from .metrics._latencies import Histogram
    from .verifying._mismatch import Mismatch
    from .verifying._verifier import Verified

PROGRAM = "the program"
VERIFICATION = "a mismatch found by verification"
TOGGLE = "syncfree toggle"

Agreement = Callable[[Switch, list[str]], list[str]]
"""Given a switch and its problems on this process, returns why it is not made; called once, under the lock for changes."""


class Runtime:
    """The state behind `syncfree`'s public functions; one per process."""

    def __init__(self, adapters: Adapters | None = None, environ: Mapping[str, str] = os.environ) -> None:
        """Make a registry that has loaded nothing.

        Args:
            adapters: the adapters; by default the installed ones, discovered on first use.
            environ: the environment variables with the user's choices.
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
        self._instrumentation = Instrumentation(self._roll_back, self._switch_for_good)
        self._waiting = Waiting(self._loaded_states)

    # Adapters, plugins and the user's selection

    def adapters(self) -> Adapters:
        """Return the adapters, discovered on first use."""
        while (found := self._adapters) is None:
            with self._nested.entered() as outermost:
                made = Adapters().discover()
            if not outermost:
                return made
            with self._locks.state:
                self._adapters = self._adapters or made
        return found

    def discovered(self) -> Discovered:
        """Return the user's selection and the plugins that it permits, discovered and validated on first use.

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
        """Return the plugins that the user's selection permits; see `discovered`."""
        return self.discovered().plugins

    def selection(self) -> Selection:
        """Return the user's choices; see `discovered`."""
        return self.discovered().selection

    @property
    def is_off(self) -> bool:
        """Return whether the variable ``SYNCFREE`` switches everything off; then nothing is discovered.

        Raises:
            SelectionError: it holds something other than on or off.
        """
        return is_off(self._environ)

    @property
    def enabled(self) -> bool:
        """Return whether anything may be bound: neither ``SYNCFREE`` nor the configuration file switches everything off.

        Raises:
            SelectionError: see `discovered`, which is not called if the variable switches everything off.
        """
        return not self.is_off and self.selection().enabled

    def register(self, plugin: object, name: str) -> None:
        """Register a plugin of the program.

        Raises:
            PluginError: see `Plugins.register`.
            SelectionError: ``SYNCFREE_PLUGINS`` excludes this name.
        """
        Plugins(HOOKS).register(plugin, name)  # validate it here, so that the caller gets the error
        while True:
            before, found = self._registered, self._discovered
            registered = (*before, (plugin, name))
            taken = {point for point, _, _ in entry_points()} if found is None else found.names
            taken = taken | {registered_name for _, registered_name in before}
            if name in taken:
                raise PluginError(f"plugin {name!r}: the name is taken. Taken: {', '.join(sorted(taken))}")
            if found is not None:
                if found.selection.enabled and not found.plugins.permits(name):
                    raise SelectionError(f"syncfree: {found.selection.plugins_source} excludes plugin {name!r}")
                extended = with_plugins(found, registered)
            with self._locks.state:
                if self._registered is before and self._discovered is found:
                    self._registered = registered
                    if found is not None:
                        self._discovered = extended
                    return

    # Loading and binding

    def forget_selection(self) -> None:
        """Make the next load read the user's choices again, unless something is loaded with the current ones."""
        with self._locks.state:
            if not self._loaded:
                self._discovered = None

    def load(self, framework: str) -> bool:
        """Judge and bind one framework's bindings: now where their modules are loaded, otherwise on import.

        Returns:
            True if this call loaded it; False if it was loaded before, or syncfree is switched off.

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
            return prepare(states, self.choice, self._instruments)

        def made() -> None:
            kept = [state for state in self._states if state.adapter.framework != framework]
            self._states = (*kept, *states)
            self._loaded = {**self._loaded, framework: adapter}
            self._to_attach = [*self._to_attach, *((attachment, adapter) for attachment in adapter.attachments)]

        try:
            change = self._change(prepared, made)
        except SelectionError:
            self.forget_selection()
            raise
        if change is None:
            return False
        if self.selection().report:
            report_at_exit(self.plan)
        self._watch(attachment.module for attachment in adapter.attachments)
        self._attach_executed()
        self._waiting.follow()
        return True

    def survey(self) -> list[BindingState]:
        """Judge the bindings of every adapter without binding anything."""
        states, loaded = self._states, self._loaded
        not_loaded = [adapter for adapter in self.adapters() if adapter.framework not in loaded]
        return [
            *(state for state in states if state.adapter.framework in loaded),
            *(state for adapter in not_loaded for state in self._judged(adapter, find_installed(adapter))),
        ]

    def problems(self, states: Iterable[BindingState]) -> list[str]:
        """Return why explicit choices cannot be met for these bindings; empty when they can."""
        return self._choices().problems(states)

    def choice(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """Return the choice for a binding, and the implementation to use (None: upstream)."""
        return self._choices().at(state)

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
        problems = self._wrong_names(choices) if self.enabled else []
        layer = Layer({} if problems else {hook: Choice(name, PROGRAM) for hook, name in choices.items()}, owner)
        self._switch(lambda layers: layers.with_layer(layer), all_ranks, frozenset(choices), problems)
        return layer

    def _wrong_names(self, choices: Mapping[str, str]) -> list[str]:
        found = self.discovered()
        problems = [unknown_hook(hook, HOOKS) for hook in choices if hook not in HOOKS]
        for hook, name in choices.items():
            if hook in HOOKS:
                available = found.plugins.implementations.get(hook, {})
                problems += filter(None, [choice_problem(hook, name, available, found.names)])
        return problems

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
        before = [layer for owner in owners if (layer := self._layers.of(owner)) is not None]
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

    def restore(self) -> list[str]:
        """Restore every original and forget the program's choices; return what could not be restored."""
        with self._locks.changing(), self._locks.state:
            self._finder.stop()
            patches = [patch for state in self._states if state.status == "bound" for patch in state.patches]
            _patch.take_out(self._patched_over)  # the patch over these may be gone by now; reported at the earlier restore
            left = _patch.take_out(patches)
            self._patched_over = [patch for patch in (*self._patched_over, *patches) if not patch.is_out()]
            left += [message for attached in self._attached if (message := attached.undo()) is not None]
            for state in self._states:
                state.restored()
            self._attached, self._to_attach = (), []
            self._loaded = {}
            self._layers = Layers()
            self._instrumentation.verified = {}
            self._instrumentation.timed = frozenset()
            self._executed_modules.clear()
            self._waiting.forget()
            self._locks.generation += 1
        for message in left:
            log_of().warning("syncfree: %s", message)
        return left

    def plan(self) -> Plan:
        """Return the state of each binding of the loaded frameworks in this process."""
        if not self.enabled:
            return Plan(os.getpid(), False, (), (), ())
        found = self.discovered()
        self._bind_missed()
        broken = (*map(str, found.plugins.broken), *self.adapters().broken)
        try:
            for round_number in count():
                generation, states = self._locks.generation, self._states
                with self._locks.preparing(round_number):  # a concurrent switch makes this stale; see `Locks.preparing`
                    choices = self._choices()
                    found_at = [(*choices.at(state), state.displaced()) for state in states]
                with self._locks.state:
                    if self._locks.generation == generation:
                        # Not tuple(generator): CPython 3.11 crashes if another thread calls gc.get_objects() meanwhile.
                        entries = [state.entry(*at) for state, at in zip(states, found_at, strict=True)]
                        loaded = tuple(self._loaded)
                        break
        finally:
            self._locks.prepared()
        return Plan(os.getpid(), True, loaded, tuple(entries), broken, current_rank())

    def patch(self, target: str) -> _patch.Patch:
        """Return the patch of a bound target.

        Raises:
            LookupError: the target is not bound.
        """
        for state in self._states:
            for patch in state.patches:
                if str(patch.target) == target and state.status == "bound":
                    return patch
        raise LookupError(f"nothing is bound at {target!r}")

    # Verification

    def verify(self, shares: Mapping[str, float], on_mismatch: OnMismatch, contents: str | None) -> None:
        """Verify these hooks on these shares of their calls from now on; a share of 0 ends it.

        Raises:
            SelectionError: an unknown hook or policy, a share outside of 0 to 1, or a hook that cannot be verified. Nothing
                is changed then.
        """
        problems = [problem for hook, share in shares.items() for problem in share_problems(hook, share, HOOKS)]
        raise_all([*problems, *policy_problems(on_mismatch, "on_mismatch")])
        if not self.enabled:
            log_of().warning("syncfree is switched off; nothing of %s is verified", ", ".join(sorted(shares)))
            return
        new = {hook: Settings(share, on_mismatch, contents) if share else None for hook, share in shares.items()}
        verified: Mapping[str, Settings | None] = {}

        def prepared() -> Change:
            nonlocal verified
            verified = {**self._instrumentation.verified, **new}
            states = [state for state in self._loaded_states() if state.binding.hook in shares]
            instruments = self._instrumentation
            return prepare(states, self.choice, lambda hook: instruments.of(hook, self.selection(), verified, instruments.timed))

        def made() -> None:
            self._instrumentation.verified = verified

        if (change := self._change(prepared, made)) is not None:
            change.log()

    def verified(self) -> dict[str, dict[str, Verified]]:
        """Return what verification found in this process: hook, then target."""
        return self._instrumentation.results()

    # Timing

    def latencies(self) -> dict[str, dict[str, dict[str, Histogram]]]:
        """Return the times of calls for the metrics: hook, then target, then choice."""
        return self._instrumentation.latencies()

    def timer(self, hook: str) -> CallTimer:
        """Return the timer of a hook's calls; it stands around them between `time_calls` and its end."""
        return self._instrumentation.timer(hook)

    def is_timed(self, hook: str) -> bool:
        """Return whether a timer stands around the calls of a hook."""
        return hook in self._instrumentation.timed

    def time_calls(self, hook: str, wanted: bool) -> None:
        """Put the timer of a hook around its calls, or take it away; where the hook is not bound yet, when it is.

        Raises:
            SelectionError: a function with the timer around it cannot be composed. Nothing is changed then.
        """
        timed = frozenset[str]()

        def prepared() -> Change:
            nonlocal timed
            instruments = self._instrumentation
            timed = instruments.timed | {hook} if wanted else instruments.timed - {hook}
            states = [state for state in self._loaded_states() if state.binding.hook == hook]
            return prepare(states, self.choice, lambda hook: instruments.of(hook, self.selection(), instruments.verified, timed))

        def made() -> None:
            self._instrumentation.timed = timed

        self._change(prepared, made)

    def _instruments(self, hook: str) -> Sequence[Instrument]:
        instruments = self._instrumentation
        return instruments.of(hook, self.selection(), instruments.verified, instruments.timed)

    def _switch_for_good(self, hook: str, choice: str) -> None:
        """Switch a hook as the program would, until it switches it again."""
        self.use({hook: choice}, False, owner=lambda: None)  # permanent: nothing keeps its owner

    def _roll_back(self, mismatch: Mismatch) -> None:
        """Switch a hook to upstream in this process, from a call of it; a failure is logged, and the next mismatch tries again."""
        hook = mismatch.hook
        if self._choices().of_hook(hook).source == VERIFICATION:  # another thread was faster
            return
        layer = Layer({hook: Choice(UPSTREAM, VERIFICATION)}, owner=lambda: None)  # permanent: nothing keeps its owner
        try:
            self._switch(lambda layers: layers.with_layer(layer), False, frozenset([hook]))
        except SyncfreeError as error:
            log_of().error("syncfree: %s cannot go back to upstream now: %s", hook, error)
        else:
            log_of().error("syncfree: %s is back to upstream in this process, because of %s", hook, VERIFICATION)

    # Changes

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
            prepared: does everything that can fail; returns None if there is nothing to do.
            made: further assignments.
            imported: limits the search for copies to these modules.
            agreed: given the problems of this rank, returns those of all; called once, under the lock for changes.

        Raises:
            SelectionError: the change has problems. Nothing was changed.
        """
        try:
            for round_number in count():
                generation = self._locks.generation
                with self._locks.preparing(round_number):
                    change = prepared()
                if change is None:  # an earlier change did the work, or an interrupted thread leaves it for later
                    return None
                with self._locks.changing():
                    if self._locks.generation != generation:
                        continue  # another thread changed something that was read above: prepare again
                    raise_all(agreed(change.all_problems()))  # before the first assignment, so that a failure changes nothing
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
            SelectionError: an explicit choice cannot be met. Nothing is bound, the import fails with this error, and the next
                import of the module tries again.
        """
        name = module.__name__
        self._executed_modules.add(name)
        if self._locks.interrupted:
            return  # this import is made by a signal handler in the middle of a change; `_bind_missed` binds it later
        unmet: list[tuple[BindingState, str]] = []

        def prepared() -> Change | None:
            states = [state for state in self._loaded_states() if name in state.modules and self._is_ready(state)]
            change = prepare(states, self.choice, self._instruments, executed=self._executed_modules) if states else None
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
            self._waiting.log_the_last()
        self._attach_executed()

    def _loaded_states(self) -> list[BindingState]:
        """Return the bindings of loaded frameworks; those of restored ones stay in the plan until they are loaded again."""
        return [state for state in self._states if state.adapter.framework in self._loaded]

    def _is_ready(self, state: BindingState) -> bool:
        return state.status == "waiting" and not state.modules_to_import(self._executed_modules)

    def _bind_missed(self) -> None:
        """Make waiting bindings whose modules have been imported meanwhile: the import was under way when the wait began."""
        nested = self._locks.is_preparing  # importing here could re-enter the import that this thread was interrupted in

        def prepared() -> Change | None:
            missed = [state for state in self._loaded_states() if self._is_ready(state)]
            if not missed or self._locks.interrupted or self._locks.forked_during_import or nested:
                return None
            change = prepare(missed, self.choice, self._instruments, executed=self._executed_modules)
            change.refuse_unmet()  # no import is waiting for this, so an error would have no one to reach
            return change

        if (change := self._change(prepared)) is not None:
            change.log()
            self._waiting.log_the_last()

    def _attach_executed(self) -> None:
        """Make the attachments to modules that have been executed; a failure is logged as a warning."""
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
        together = all_ranks and rank_count() > 1
        given = list(problems)
        if not self.enabled:
            # Nothing is bound here, so there is nothing to switch; a warning, because the choice has no effect.
            if together:
                agree({}, ["switched off"])
            log_of().warning(
                "syncfree is switched off; the choice of %s does nothing", ", ".join(sorted(hooks))
            )
            return
        self._locks.admit_switch()
        layers = self._layers
        to_agree_on: dict[str, str] = {}
        switch = Switch((), self._choices(), self._choices())

        def prepared() -> Change:
            nonlocal layers, to_agree_on, switch
            layers = edit(self._layers)
            now, then = self._choices(), Choices(self.discovered(), layers)
            change = Change(list(given))
            try:
                states = [state for state in self._loaded_states() if state.binding.hook in hooks]
                switch = Switch(tuple(states), now, then)
                to_agree_on = switch.to_agree_on()
                alone = not all_ranks and agreement is None
                change.problems += switch.alone() if alone else []  # a mixed choice in a lockstep hook hangs
                change.problems += then.problems(states)
                if not change.problems:  # no plugin is imported for a switch that is refused anyway
                    change = prepare(states, then.at, self._instruments, import_early=True)
            except SyncfreeError as error:  # kept as a problem: this rank must still reach `agree`
                change.problems.append(str(error))
            return change

        def agreed(problems: list[str]) -> list[str]:
            if agreement is not None:
                return agreement(switch, problems)
            return [*problems, *agree(to_agree_on, problems)] if together else problems

        def made() -> None:
            self._layers = layers

        if (change := self._change(prepared, made, agreed=agreed)) is not None:
            change.log()


RUNTIME = Runtime()
