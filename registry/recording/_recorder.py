"""The instrument that records the first calls of a hook in this process, at all its targets together."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._copies import copied
from .._errors import SyncfreeError
from .._hook import Hook
from .._instruments import Place, is_traced_function
from .._log import log_of
from .._plugins import Implementation
from ._encoding import listening
from ._files import write_call
from ._settings import Settings


class Recorder:
    """Records one hook: an `Instrument`. A declined call and one that raises are not recorded."""

    def __init__(self, hook: Hook, settings: Settings) -> None:
        self.hook = hook
        self.settings = settings
        self._left = itertools.count()

    def at(self, place: Place) -> PlaceRecorder:
        """Return what records the calls of a place."""
        return PlaceRecorder(place, self.settings, self._left)


@dataclass(frozen=True, slots=True)
class PlaceRecorder:
    """Records the calls of one target: a `Probe`."""

    place: Place
    settings: Settings
    numbers: itertools.count[int]

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Leave it alone: a framework's own arguments are not the contract's."""
        return replacement

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Record the contract's arguments."""
        names = self.place.hook.parameters
        is_traced = is_traced_function() or (lambda: False)
        about = {"target": self.place.target, "choice": implementation.plugin}
        next_number, limit = self.numbers.__next__, self.settings.calls

        @functools.wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if is_traced() or next_number() >= limit:
                return function(*args, **kwargs)
            heard = listening({**dict(zip(names, args, strict=False)), **kwargs})
            before = copied(heard)
            result = function(**heard)
            if result is not NotImplemented:
                self._write(before, about, result)
            return result

        return recorded

    def _write(self, arguments: dict[str, Any], about: dict[str, str], result: Any) -> None:
        try:
            write_call(self.settings.folder, self.place.hook, arguments, about, (result,))
        except SyncfreeError as error:  # the program that is recorded goes on
            log_of().error("syncfree: a call of %s is not recorded: %s", self.place.target, error)
