"""Notes that audited processes leave for the auditing one: symbolic links with the text as their target.

A link is made by one system call, without a descriptor that another thread could close, and without space that a limit or a
full disk could refuse. ``_inject/sitecustomize.py`` leaves the first note of each process, with its own code.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = "here"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Note:
    """The note of one process: its kind, the program that the process executes, and the text."""

    kind: str
    image: str
    pid: int
    text: str


def leave(directory: str, kind: str, image: str, text: str) -> None:
    """Leave a note; ignored if the directory was removed, because then no process reads it."""
    target = text.encode("utf-8", "backslashreplace").replace(b"\0", b"\n")[:1000] or b" "
    with contextlib.suppress(OSError):
        os.symlink(target, os.fsencode(os.path.join(directory, f"{kind}.{image}.{os.getpid()}")))


def read(directory: Path) -> Iterator[Note]:
    """Yield the notes of all processes so far."""
    for entry in os.scandir(directory):
        kind, _, rest = entry.name.partition(".")
        if kind in (HERE, REFUSED) and entry.is_symlink():
            image, _, pid = rest.partition(".")
            yield Note(kind, image, int(pid), _text(os.fsencode(os.readlink(entry.path))))


def text_of(argv: list[str]) -> str:
    """Return the text of the first note of a process with these arguments."""
    return _text(os.fsencode("\n".join(argv))[:1000])


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()
