"""Changes of the instruments around hooks: verification and timers begin and end while the process runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ._binder import Binder
from ._bindings import Bindings
from ._change import Change, prepare
from ._errors import raise_all
from ._log import log_of
from .hooks import HOOKS
from .verifying._settings import OnMismatch, Settings, policy_problems, share_problems


class Instrumenter:
    """Puts instruments around the functions of bound targets, and takes them away."""

    def __init__(self, bindings: Bindings, binder: Binder) -> None:
        self._bindings = bindings
        self._binder = binder

    def verify(self, shares: Mapping[str, float], on_mismatch: OnMismatch, contents: str | None) -> None:
        """Verify these hooks on these shares of their calls from now on; a share of 0 ends it.

        Raises:
            SelectionError: an unknown hook or policy, a share outside of 0 to 1, or a hook that cannot be verified. Nothing
                is changed then.
        """
        problems = [problem for hook, share in shares.items() for problem in share_problems(hook, share, HOOKS)]
        raise_all([*problems, *policy_problems(on_mismatch, "on_mismatch")])
        if not self._bindings.catalogue.enabled:
            log_of().warning("syncfree is switched off; nothing of %s is verified", ", ".join(sorted(shares)))
            return
        new = {hook: Settings(share, on_mismatch, contents) if share else None for hook, share in shares.items()}
        verified: Mapping[str, Settings | None] = {}

        def prepared() -> Change:
            nonlocal verified
            verified = {**self._bindings.instrumentation.verified, **new}
            return self._prepared(shares, verified, self._bindings.instrumentation.timed)

        def made() -> None:
            self._bindings.instrumentation.verified = verified

        if (change := self._binder.change(prepared, made)) is not None:
            change.log()

    def time_calls(self, hook: str, wanted: bool) -> None:
        """Put the timer of a hook around its calls, or take it away; where the hook is not bound yet, when it is.

        Raises:
            SelectionError: a function with the timer around it cannot be composed. Nothing is changed then.
        """
        timed = frozenset[str]()

        def prepared() -> Change:
            nonlocal timed
            now = self._bindings.instrumentation.timed
            timed = now | {hook} if wanted else now - {hook}
            return self._prepared([hook], self._bindings.instrumentation.verified, timed)

        def made() -> None:
            self._bindings.instrumentation.timed = timed

        self._binder.change(prepared, made)

    def _prepared(
        self, hooks: Collection[str], verified: Mapping[str, Settings | None], timed: frozenset[str]
    ) -> Change:
        """Prepare the change of these hooks' bindings to the instruments that they will have."""
        bindings = self._bindings
        return prepare(
            bindings.of_loaded(hooks),
            bindings.choice,
            lambda hook: bindings.instrumentation.of(hook, bindings.catalogue.selection(), verified, timed),
        )
