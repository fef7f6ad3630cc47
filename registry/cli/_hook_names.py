"""Names of hooks in the arguments of commands: checked, and completed by the shell."""

from __future__ import annotations

from .._errors import SelectionError, nearest
from ..hooks import HOOKS


def known(hook: str) -> str:
    """Return the name of a hook that exists.

    Raises:
        SelectionError: there is none of that name; it names the nearest.
    """
    if hook not in HOOKS:
        raise SelectionError(f"syncfree: there is no hook {hook!r}{nearest(hook, HOOKS)}; syncfree list shows all of them")
    return hook


def complete(incomplete: str) -> list[str]:
    """Return the hooks whose names begin so."""
    return [name for name in HOOKS if name.startswith(incomplete)]
