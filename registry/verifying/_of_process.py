"""The verifiers of a process: those of the user's selection and of the program, by hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..hooks import HOOKS
from ._mismatch import Mismatch
from ._settings import Settings

if TYPE_CHECKING:
    from ._verifier import Verified, Verifier


class Verifiers:
    """What verifies each hook, made when it is first asked for; ``settings`` says which hooks, and how."""

    def __init__(self, roll_back: Callable[[Mismatch], None]) -> None:
        self._roll_back = roll_back
        self._of_hook: dict[str, Verifier] = {}

    def of(self, hook: str, settings: Settings | None) -> list[Verifier]:
        """Return the verifier of a hook, a new one where the settings are new; none without settings."""
        if settings is None:
            return []
        from ._verifier import Verifier  # only where something is verified: every process of an environment imports this

        found = self._of_hook.get(hook)
        if found is None or found.settings != settings:
            found = self._of_hook[hook] = Verifier(HOOKS[hook], settings, self._roll_back)
        return [found]

    def results(self) -> dict[str, dict[str, Verified]]:
        """Return what was found: hook, then target."""
        return {hook: verifier.results() for hook, verifier in list(self._of_hook.items())}
