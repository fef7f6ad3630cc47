"""Read the files and commands of a page that is meant to be executed, and compare what a command prints with the page.

A block ```` ```LANGUAGE title="NAME" ```` is a file; a block ```` ```console ```` has commands after ``$ ``, each with what it
prints. ``...`` in what is printed stands for any text, of several lines where it is a line by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class File:
    """A file that the reader writes."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that the reader gives, and what it prints according to the page."""

    text: str
    printed: str


def steps(page: str) -> list[File | Command]:
    """Return the files and commands of a page, in their order."""
    found: list[File | Command] = []
    for language, name, text in _BLOCK.findall(page):
        if name:
            found.append(File(name, text))
        elif language == "console":
            for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, printed = session.partition("\n")
                found.append(Command(command, printed))
    return found


def agrees(printed: str, expected: str) -> bool:
    """Return whether a command printed what the page says; blank space at the ends of lines does not count."""
    pattern = "".join(_pattern(line) for line in expected.rstrip().splitlines())
    lines = [line.rstrip() for line in printed.strip().splitlines()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _pattern(line: str) -> str:
    """Return a pattern for one line of a page, with its newline."""
    if line.strip() == "...":
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
