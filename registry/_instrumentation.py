"""The instruments of a process: those that the user's selection and the program ask for, by hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ._instruments import Instrument
from ._selection import Selection
from .hooks import HOOKS
from .verifying._settings import Settings as VerifySettings

if TYPE_CHECKING:
    from .measuring._call_timer import CallTimer
    from .measuring._conductor import Conductor
    from .measuring._order import Order
    from .metrics._latencies import Histogram, Latencies
    from .recording._recorder import Recorder
    from .verifying._mismatch import Mismatch
    from .verifying._verifier import Verified, Verifier


class Instrumentation:
    """The instruments around the functions of each hook. They are made when they are first asked for.

    Attributes:
        verified: how the program wants hooks to be verified (None: not at all), which overrides the selection.
        timed: hooks whose calls are timed for somebody outside the program.
    """

    def __init__(self, roll_back: Callable[[Mismatch], None], switch: Callable[[str, str], None]) -> None:
        self.verified: Mapping[str, VerifySettings | None] = {}
        self.timed: frozenset[str] = frozenset()
        self._roll_back = roll_back
        self._switch = switch
        self._verifiers: dict[str, Verifier] = {}
        self._recorders: dict[str, Recorder] = {}
        self._conductors: dict[str, Conductor] = {}
        self._timers: dict[str, CallTimer] = {}
        self._latencies: dict[str, Latencies] = {}

    def of(
        self, hook: str, selection: Selection, verified: Mapping[str, VerifySettings | None], timed: frozenset[str]
    ) -> list[Instrument]:
        """Return the instruments of a hook, given what the program wants verified and which hooks are timed."""
        found: list[Instrument] = []
        if selection.metrics is not None and selection.metrics_sample:
            found.append(self._latency(hook, selection.metrics_sample))  # first, so that the others are around it
        settings = verified.get(hook, selection.verify.get(hook))
        if settings is not None:
            found.append(self._verifier(hook, settings))
        if hook in selection.record:
            found.append(self._recorder(hook, selection))
        if selection.measure is not None and hook == selection.measure.hook:
            found.append(self._conductor(selection.measure))
        if hook in timed:
            found.append(self.timer(hook))
        return found

    def results(self) -> dict[str, dict[str, Verified]]:
        """Return what verification found: hook, then target."""
        return {hook: verifier.results() for hook, verifier in list(self._verifiers.items())}

    def latencies(self) -> dict[str, dict[str, dict[str, Histogram]]]:
        """Return the times of calls for the metrics: hook, then target, then choice."""
        return {hook: latencies.results() for hook, latencies in list(self._latencies.items())}

    def timer(self, hook: str) -> CallTimer:
        """Return the timer of a hook's calls, one for the life of the process: slots keep what they have composed with it."""
        from .measuring._call_timer import CallTimer

        return self._timers.setdefault(hook, CallTimer())

    # Imported only where they are used: every process of an environment imports this module.

    def _verifier(self, hook: str, settings: VerifySettings) -> Verifier:
        from .verifying._verifier import Verifier

        found = self._verifiers.get(hook)
        if found is None or found.settings != settings:
            found = self._verifiers[hook] = Verifier(HOOKS[hook], settings, self._roll_back)
        return found

    def _recorder(self, hook: str, selection: Selection) -> Recorder:
        from .recording._recorder import Recorder

        if hook not in self._recorders:
            self._recorders.setdefault(hook, Recorder(HOOKS[hook], selection.record[hook]))
        return self._recorders[hook]

    def _latency(self, hook: str, share: float) -> Latencies:
        from .metrics._latencies import Latencies

        return self._latencies.setdefault(hook, Latencies(share))

    def _conductor(self, order: Order) -> Conductor:
        from .measuring._conductor import Conductor

        if order.hook not in self._conductors:
            self._conductors.setdefault(order.hook, Conductor(order, lambda choice: self._switch(order.hook, choice)))
        return self._conductors[order.hook]
