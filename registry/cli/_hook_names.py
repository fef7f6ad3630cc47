"""Names of hooks in the arguments of commands: checked, and completed by the shell."""

from __future__ import annotations

from .._errors import SelectionError, SyncfreeError, nearest
from .._runtime import RUNTIME
from .._selection import DEFAULT, UPSTREAM
from .._text import clipped
from ..hooks import HOOKS


def known(hook: str) -> str:
    """Return the name of a hook that exists.

    Raises:
        SelectionError: there is none of that name; it names the nearest.
    """
    if hook not in HOOKS:
        raise SelectionError(f"syncfree: there is no hook {clipped(hook)!r}{nearest(hook, HOOKS)}; syncfree list shows all of them")
    return hook


def complete(incomplete: str) -> list[str]:
    """Return the hooks whose names begin so."""
    return [name for name in HOOKS if name.startswith(incomplete)]


def complete_choice(incomplete: str) -> list[str]:
    """Return each ``HOOK=CHOICE`` that begins so."""
    hook, _, _ = incomplete.partition("=")
    try:
        plugins = RUNTIME.plugins()
    except SyncfreeError:  # a mistake in the environment: the command itself says which
        return []
    found = []
    for name in complete(hook):
        choices = [*(one.plugin for one in plugins.candidates(name)), UPSTREAM, DEFAULT]
        found += [text for choice in choices if (text := f"{name}={choice}").startswith(incomplete)]
    return found
