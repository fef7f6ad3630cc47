"""The registry of this process: loads adapters, judges, binds, restores and reports.

Everything here and in the modules that it puts together runs when a framework is loaded or a choice changes; nothing of it
runs per call. `_locks` describes the locks and what may be done under them: a change is prepared without a lock and then made
under both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import count

from . import _patch
from ._adapters import Adapters
from ._binder import Binder
from ._binding_state import BindingState
from ._bindings import Bindings
from ._catalogue import Catalogue
from ._errors import SelectionError
from ._exit_report import report_at_exit
from ._frameworks import find_installed
from ._instrumentation import Instrumentation
from ._instrumenter import Instrumenter
from ._locks import Locks
from ._log import log_of
from ._plan import Plan
from ._plugins import Implementation, Plugins
from ._process_group import current_rank
from ._selection import Choice, Selection
from ._switcher import Switcher
from ._waiting import Waiting


class Runtime:
    """The state behind `syncfree`'s public functions; one per process.

    Attributes:
        switcher: switches hooks to other implementations.
        instrumenter: begins and ends verification and timers.
        instrumentation: the instruments, with the results of verification and the times of calls.
    """

    def __init__(self, adapters: Adapters | None = None, environ: Mapping[str, str] = os.environ) -> None:
        """Make a registry that has loaded nothing.

        Args:
            adapters: the adapters; by default the installed ones, discovered on first use.
            environ: the environment variables with the user's choices.
        """
        self._locks = Locks()
        self._catalogue = Catalogue(environ, adapters, self._locks)
        self.instrumentation = Instrumentation(
            lambda mismatch: self.switcher.roll_back(mismatch), lambda hook, choice: self.switcher.use_for_good(hook, choice)
        )
        self._bindings = Bindings(self._catalogue, self.instrumentation)
        self._waiting = Waiting(self._bindings.of_loaded)
        self._binder = Binder(self._locks, self._bindings, self._waiting)
        self.switcher = Switcher(self._locks, self._bindings, self._binder)
        self.instrumenter = Instrumenter(self._bindings, self._binder)

    # Adapters, plugins and the user's selection; see `Catalogue`

    def adapters(self) -> Adapters:
        """Return the adapters, discovered on first use."""
        return self._catalogue.adapters()

    def plugins(self) -> Plugins:
        """Return the plugins that the user's selection permits; see `Catalogue.discovered`."""
        return self._catalogue.plugins()

    def selection(self) -> Selection:
        """Return the user's choices; see `Catalogue.discovered`."""
        return self._catalogue.selection()

    @property
    def is_off(self) -> bool:
        """Return whether the variable ``SYNCFREE`` switches everything off; see `Catalogue.is_off`."""
        return self._catalogue.is_off

    @property
    def enabled(self) -> bool:
        """Return whether anything may be bound; see `Catalogue.enabled`."""
        return self._catalogue.enabled

    def register(self, plugin: object, name: str) -> None:
        """Register a plugin of the program; see `Catalogue.register`."""
        self._catalogue.register(plugin, name)

    # Loading and restoring

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
        if framework in self._bindings.loaded:
            return False
        if installed is None:
            raise SelectionError(f"syncfree: {framework} is not installed")
        states = self._bindings.judged(adapter, installed)
        try:
            if not self._binder.load(adapter, states):
                return False
        except SelectionError:
            self.forget_selection()
            raise
        if self.selection().report:
            report_at_exit(self.plan)
        self._waiting.follow()
        return True

    def forget_selection(self) -> None:
        """Make the next load read the user's choices again, unless something is loaded with the current ones."""
        with self._locks.state:
            if not self._bindings.loaded:
                self._catalogue.forget()

    def restore(self) -> list[str]:
        """Restore every original and forget the program's choices; return what could not be restored."""
        with self._locks.changing(), self._locks.state:
            self._binder.stop_watching()
            left = [*self._bindings.restore(), *self._binder.attachments.undo()]
            self._waiting.forget()
            self._locks.generation += 1
        for message in left:
            log_of().warning("syncfree: %s", message)
        return left

    # What is bound, and why

    def survey(self) -> list[BindingState]:
        """Judge the bindings of every adapter without binding anything."""
        states, loaded = self._bindings.states, self._bindings.loaded
        not_loaded = [adapter for adapter in self.adapters() if adapter.framework not in loaded]
        return [
            *(state for state in states if state.adapter.framework in loaded),
            *(state for adapter in not_loaded for state in self._bindings.judged(adapter, find_installed(adapter))),
        ]

    def problems(self, states: Iterable[BindingState]) -> list[str]:
        """Return why explicit choices cannot be met for these bindings; empty when they can."""
        return self._bindings.choices().problems(states)

    def choice(self, state: BindingState) -> tuple[Choice, Implementation | None]:
        """Return the choice for a binding, and the implementation to use (None: upstream)."""
        return self._bindings.choice(state)

    def patch(self, target: str) -> _patch.Patch:
        """Return the patch of a bound target; see `Bindings.patch`."""
        return self._bindings.patch(target)

    def plan(self) -> Plan:
        """Return the state of each binding of the loaded frameworks in this process."""
        if not self.enabled:
            return Plan(os.getpid(), False, (), (), ())
        plugins = self.plugins()
        self._binder.bind_missed()
        broken = (*map(str, plugins.broken), *self.adapters().broken)
        try:
            for round_number in count():
                generation, states = self._locks.generation, self._bindings.states
                with self._locks.preparing(round_number):  # a concurrent switch makes this stale; see `Locks.preparing`
                    choices = self._bindings.choices()
                    found_at = [(*choices.at(state), state.displaced()) for state in states]
                with self._locks.state:
                    if self._locks.generation == generation:
                        # Not tuple(generator): CPython 3.11 crashes if another thread calls gc.get_objects() meanwhile.
                        entries = [state.entry(*at) for state, at in zip(states, found_at, strict=True)]
                        loaded = tuple(self._bindings.loaded)
                        break
        finally:
            self._locks.prepared()
        return Plan(os.getpid(), True, loaded, tuple(entries), broken, current_rank())


RUNTIME = Runtime()
