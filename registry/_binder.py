"""Binds where the modules of targets are loaded, and right after they execute where they are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import ModuleType

from ._attachments import Attachments
from ._binding_state import BindingState, is_executed
from ._bindings import Bindings
from ._change import Change, prepare
from ._errors import SelectionError, raise_all
from ._import_hook import PostImportFinder
from ._locks import Locks
from ._log import log_of
from ._transaction import commit
from ._waiting import Waiting
from .adapting import Adapter


class Binder:
    """Makes the changes of a process, and watches for the modules that its bindings and attachments wait for.

    Attributes:
        attachments: of the loaded frameworks.
    """

    def __init__(self, locks: Locks, bindings: Bindings, waiting: Waiting) -> None:
        """Make a binder that watches for nothing.

        Args:
            locks: of the runtime.
            bindings: what it changes.
            waiting: told after each import that bound something.
        """
        self._locks = locks
        self._bindings = bindings
        self.attachments = Attachments(locks, self._is_executed, lambda framework: framework in bindings.loaded)
        self._finder = PostImportFinder()
        self._executed_modules: set[str] = set()
        self._waiting = waiting

    def change(
        self,
        prepared: Callable[[], Change | None],
        made: Callable[[], None] = lambda: None,
        imported: frozenset[str] | None = None,
        agreed: Callable[[list[str]], list[str]] = lambda problems: problems,
    ) -> Change | None:
        """Make a change, watch for the modules that it waits for, and bind what was imported meanwhile; see `commit`."""
        change = commit(self._locks, prepared, made, imported, agreed)
        if change is not None:
            self._watch(module for state in change.wait for module in state.modules_to_import())
            self.bind_missed()
        return change

    def load(self, adapter: Adapter, states: list[BindingState]) -> bool:
        """Make the bindings and the attachments of a framework, now or on import; return whether it was not loaded before.

        Raises:
            SelectionError: an explicit choice cannot be met. Nothing is bound then.
        """
        bindings = self._bindings

        def prepared() -> Change | None:
            if adapter.framework in bindings.loaded:
                return None
            raise_all(bindings.choices().problems(states))
            return prepare(states, bindings.choice, bindings.instruments)

        def made() -> None:
            bindings.add(adapter, states)
            self.attachments.add(adapter)

        if self.change(prepared, made) is None:
            return False
        self._watch(attachment.module for attachment in adapter.attachments)
        self.attachments.make_ready()
        return True

    def bind_missed(self) -> None:
        """Make waiting bindings whose modules have been imported meanwhile: the import was under way when the wait began."""
        nested = self._locks.is_preparing  # importing here could re-enter the import that this thread was interrupted in

        def prepared() -> Change | None:
            missed = [state for state in self._bindings.of_loaded() if self._is_ready(state)]
            if not missed or self._locks.interrupted or self._locks.forked_during_import or nested:
                return None
            change = self._prepared(missed)
            change.refuse_unmet()  # no import is waiting for this, so an error would have no one to reach
            return change

        if (change := self.change(prepared)) is not None:
            change.log()
            self._waiting.log_the_last()

    def stop_watching(self) -> None:
        """Forget the modules that are waited for, and those that were executed; call it under both locks."""
        self._finder.stop()
        self._executed_modules.clear()

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
            return  # this import is made by a signal handler in the middle of a change; `bind_missed` binds it later
        unmet: list[tuple[BindingState, str]] = []

        def prepared() -> Change | None:
            states = [state for state in self._bindings.of_loaded() if name in state.modules and self._is_ready(state)]
            change = self._prepared(states) if states else None
            unmet[:] = change.unmet if change else ()
            return change

        spread = any(len(state.modules) > 1 for state in self._bindings.states if name in state.modules)
        try:
            change = self.change(prepared, imported=None if spread else imported)
        except SelectionError as error:
            self._executed_modules.discard(name)
            for state, reason in unmet:
                state.trouble = reason
            log_of().error("%s", error)
            raise
        if change is not None:
            change.log()
            self._waiting.log_the_last()
        self.attachments.make_ready()

    def _prepared(self, states: Iterable[BindingState]) -> Change:
        return prepare(states, self._bindings.choice, self._bindings.instruments, executed=self._executed_modules)

    def _is_ready(self, state: BindingState) -> bool:
        return state.status == "waiting" and not state.modules_to_import(self._executed_modules)

    def _is_executed(self, module: str) -> bool:
        return is_executed(module) or (module in self._executed_modules and module in sys.modules)
