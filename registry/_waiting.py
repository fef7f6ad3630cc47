"""Log lines about bindings that wait for the import of their modules: when the last one is made, or that it never was."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Sequence

from ._binding_state import BindingState


class Waiting:
    """The frameworks of a process with bindings that wait for an import."""

    def __init__(self, states: Callable[[], Sequence[BindingState]]) -> None:
        """Follow the bindings of the loaded frameworks, which ``states`` returns."""
        self._states = states
        self._waited: dict[str, list[BindingState]] = {}
        self._registered = False

    def follow(self) -> None:
        """Note what waits now, after a framework was loaded; when the process ends, log what waits still."""
        for state in self._states():
            if state.status == "waiting" and not any(state is known for known in self._waited.get(state.adapter.framework, ())):
                self._waited.setdefault(state.adapter.framework, []).append(state)
        if self._waited and not self._registered:
            self._registered = True
            atexit.register(self._at_exit)

    def log_the_last(self) -> None:
        """Log one line for each framework of which nothing waits any more; call it after each change."""
        for framework, states in list(self._waited.items()):
            if any(state.status == "waiting" for state in states) or self._waited.pop(framework, None) is None:
                continue  # or another thread logged it
            bound = sum(state.status == "bound" for state in states)
            how = "all are bound" if bound == len(states) else f"{bound} are bound, the others are not, see syncfree.plan()"
            states[0].log.info("syncfree: %d bindings waited for an import: %s", len(states), how)

    def forget(self) -> None:
        """Forget everything, as after `restore`."""
        self._waited.clear()

    def _at_exit(self) -> None:
        for states in self._waited.values():
            never = sorted({state.binding.hook for state in states if state.status == "waiting"})
            if never:
                raises, logging.raiseExceptions = logging.raiseExceptions, False  # the handler's stream may be closed by now
                states[0].log.info("syncfree: never bound, because their modules were not imported: %s", ", ".join(never))
                logging.raiseExceptions = raises
