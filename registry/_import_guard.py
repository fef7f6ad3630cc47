"""Process state that importing a foreign module must not damage: ``sys.path`` and the standard streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ._errors import PluginError, or_default

_STREAMS = {"stdout": 1, "stderr": 2}


@contextmanager
def guarded() -> Iterator[None]:
    """Put back what the block removes from ``sys.path``, and reopen the standard streams that it closes.

    Raises:
        PluginError: the block emptied or replaced ``sys.path`` or closed a stream, and raised nothing itself.
    """
    path, entries = sys.path, list(sys.path)
    streams = [name for name in _STREAMS if not _is_closed(name)]
    try:
        yield
    finally:
        undone = [*_put_back(path, entries), *(f"closes sys.{name}" for name in streams if _is_closed(name) and _open(name))]
    if undone:
        raise PluginError(f"it {' and '.join(undone)}, which was undone")


def _put_back(path: list[str], entries: list[str]) -> list[str]:
    if not isinstance(sys.path, list):
        sys.path = path
        path[:] = entries
        return ["replaces sys.path"]
    taken = [entry for entry in entries if entry not in sys.path]
    for entry in taken:
        sys.path.insert(min(entries.index(entry), len(sys.path)), entry)
    # Missing single entries are no reason to refuse the module: another thread may have removed them.
    return ["empties sys.path"] if taken == entries else []


def _is_closed(name: str) -> bool:
    return or_default(lambda: bool(getattr(sys, name).closed), False)


def _open(name: str) -> bool:
    """Reopen a standard stream, unless its descriptor is closed, too; return whether it was reopened."""
    descriptor = _STREAMS[name]
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    errors = "backslashreplace" if name == "stderr" else "strict"
    stream = open(descriptor, "w", buffering=1, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - it stays
    setattr(sys, name, stream)
    return True
