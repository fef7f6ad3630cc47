"""The two families of error: *you asked for something impossible* and *the plugin is broken*."""

from __future__ import annotations

from collections.abc import Iterable

from ._text import printable


class SyncfreeError(Exception):
    """Base of every error that syncfree raises on purpose. Its message is one printable line, whatever names it quotes."""

    def __str__(self) -> str:
        return printable(super().__str__())


class SelectionError(SyncfreeError, ValueError):
    """A choice that cannot be met: a wrong name, or an implementation that does not fit what is installed."""


class PluginError(SyncfreeError):
    """A plugin that is broken: whose it is, where, and what to do about it."""


class BindingError(SyncfreeError, RuntimeError):
    """A binding that must not be made: its target is not what the adapter was written for, or is already taken."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'? Known: a, b, x"``, or ``". Known: a, b"``, for a message about an unknown name."""
    from difflib import get_close_matches  # only on the way to an error

    names = sorted(known)
    close = get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = "."
    if close:
        original = next(n for n in names if n.lower() == close[0])
        hint = f"; did you mean {original!r}?"
    return f"{hint} Known: {', '.join(names) or 'none'}"
