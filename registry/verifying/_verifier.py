"""Verification of one hook in this process: an instrument, with a probe at each of its targets.

A probe is around the implementation, where it is compared with the hook's reference, or around the adapter's replacement, where
upstream's own function can be called again. `_beside` is what happens in a verified call.
"""

from __future__ import annotations

import functools
import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import get_ident
from typing import Any

from .._errors import describe_error
from .._hook import Hook
from .._instruments import Place, is_traced_function
from .._log import log_of
from .._plugins import Implementation
from .._slot import Counter
from ..recording._files import write_call
from ._beside import Pair, call_beside
from ._mismatch import Mismatch, described
from ._settings import ROLL_BACK, OnMismatch, Settings


@dataclass(frozen=True, slots=True)
class Verified:
    """The results of verification at one target in this process.

    Attributes:
        share: the probability with which a call is verified.
        on_mismatch: the policy.
        against: what the chosen implementation is compared with: ``upstream``, or ``reference``, the hook's.
        compared: verified calls.
        mismatches: verified calls whose results differed.
        skipped: calls that were drawn and could not be verified.
        seconds: what verification has cost the calling threads, besides the chosen implementation's own calls.
        first: the first mismatch.
    """

    share: float
    on_mismatch: str
    against: str
    compared: int
    mismatches: int
    skipped: int
    seconds: float
    first: Mismatch | None


class Verifier:
    """Verifies one hook in this process: an `Instrument`.

    Args:
        hook: the hook; `_settings.obstacle_of` returns None for it.
        settings: the share and the policy.
        roll_back: switches the hook to upstream in this process, given the mismatch.
        draw: returns a uniform number from 0 to 1, as `random.random`.
    """

    def __init__(
        self,
        hook: Hook,
        settings: Settings,
        roll_back: Callable[[Mismatch], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.hook = hook
        self.settings = settings
        self.roll_back = roll_back
        self.draw = draw
        self._probes: dict[str, PlaceVerifier] = {}

    def at(self, place: Place) -> PlaceVerifier:
        """Return what verifies the calls of a place."""
        return self._probes.setdefault(place.target, PlaceVerifier(self, place))

    def results(self) -> dict[str, Verified]:
        """Return what was found, by target."""
        return {target: probe.result() for target, probe in list(self._probes.items())}


class PlaceVerifier:
    """Verifies the calls of one target: a `Probe`."""

    def __init__(self, verifier: Verifier, place: Place) -> None:
        self._verifier = verifier
        self._place = place
        self._compared, self._mismatches, self._skipped = Counter(), Counter(), Counter()
        self._spent: dict[int, int] = {}  # nanoseconds by thread, so that no lock is needed
        self._first: Mismatch | None = None

    @property
    def against(self) -> str:
        """The function that the chosen implementation is compared with."""
        # Only the contract's arguments can be kept, so a target whose arguments are wanted is compared there.
        return "upstream" if self._place.repeatable and self._verifier.settings.contents is None else "reference"

    @property
    def on_mismatch(self) -> OnMismatch:
        """The policy."""
        return self._verifier.settings.on_mismatch

    @property
    def keeps_contents(self) -> bool:
        """Whether the arguments of a mismatch found now are to be kept."""
        return self._verifier.settings.contents is not None and self._first is None

    def around_implementation(self, function: Callable[..., Any], implementation: Implementation) -> Callable[..., Any]:
        """Verify against the hook's reference, unless upstream can be called again."""
        if self.against == "upstream" or self._refused(implementation):
            return function
        hook = self._place.hook
        return self._verified(function, hook.reference, implementation, hook.parameters, hook.writes)

    def around_replacement(
        self, replacement: Callable[..., Any], implementation: Implementation | None
    ) -> Callable[..., Any]:
        """Verify against upstream, if that can be called again."""
        if self.against == "reference" or implementation is None or self._refused(implementation):
            return replacement
        names = tuple( inspect.signature(self._place.upstream).parameters)
        return self._verified(replacement, self._place.upstream, implementation, names, ())

    def result(self) -> Verified:
        """Return what was found so far."""
        settings = self._verifier.settings
        return Verified(
            share=settings.share,
            on_mismatch=settings.on_mismatch,
            against=self.against,
            compared=self._compared.value,
            mismatches=self._mismatches.value,
            skipped=self._skipped.value,
            seconds=sum(list(self._spent.values())) / 1e9,
            first=self._first,
        )

    def _refused(self, implementation: Implementation) -> bool:
        if implementation.lockstep:  # which the hook itself is not, so the settings could not know
            log_of().warning(
                "syncfree: %s=%s is not verified: all ranks must call it equally often", self._place.hook.name, implementation.plugin
            )
        return implementation.lockstep

    def _verified(
        self,
        chosen: Callable[..., Any],
        other: Callable[..., Any],
        implementation: Implementation,
        names: tuple[str, ...],
        writes: tuple[str, ...],
    ) -> Callable[..., Any]:
        share, draw = self._verifier.settings.share, self._verifier.draw
        is_traced = is_traced_function() or (lambda: False)
        tolerance = None if implementation.declaration.exact else self._place.hook.tolerance
        pair = Pair(implementation.plugin, chosen, other, tolerance, names, writes)

        @functools.wraps(chosen)
        def verified(*args: Any, **kwargs: Any) -> Any:
            if is_traced() or draw() >= share:
                return chosen(*args, **kwargs)
            return call_beside(pair, self, args, kwargs)

        return verified

    def spent(self, nanoseconds: int) -> None:
        """Count time that verification took in this thread."""
        thread = get_ident()
        self._spent[thread] = self._spent.get(thread, 0) + nanoseconds

    def skipped(self, why: str) -> None:
        """Count a call that was drawn and could not be verified; the first one is logged."""
        if self._skipped.tick() == 0:
            log_of().warning("syncfree: a call of %s is not verified: %s", self._place.target, why)

    def compared(self) -> None:
        """Count a verified call."""
        self._compared.tick()

    def found(self, choice: str, problem: str, arguments: Mapping[str, Any]) -> Mismatch:
        """Count a mismatch of a call with these arguments, keep the first one, log it, and go back to upstream if the policy says so."""
        verifier, settings, log = self._verifier, self._verifier.settings, log_of()
        number = self._mismatches.tick() + 1
        mismatch = Mismatch(self._place.hook.name, self._place.target, choice, self.against, problem, described(arguments))
        if number == 1:
            if settings.contents is not None:
                mismatch = replace(mismatch, contents=self._kept(settings.contents, arguments))
            self._first = mismatch
        if number & (number - 1) == 0:  # each time their number has doubled
            log.error("syncfree: mismatch %d: %s", number, mismatch)
        if settings.on_mismatch == ROLL_BACK:
            verifier.roll_back(mismatch)
        return mismatch

    def _kept(self, folder: str, arguments: Mapping[str, Any]) -> str | None:
        try:
            return write_call(folder, self._place.hook, arguments, {"target": self._place.target, "mismatch": True})
        except Exception as error:  # noqa: BLE001 - the mismatch matters more than its arguments
            log_of().error("syncfree: the arguments of a mismatch cannot be kept in %s: %s", folder, describe_error(error))
            return None
