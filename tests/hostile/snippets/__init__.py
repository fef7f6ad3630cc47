"""Pieces of programs, by name: one text file for each table, in which a line ``#: NAME`` begins a piece."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
MARK = "#: "


def snippets(table: str) -> dict[str, str]:
    """The pieces of a table, in the order of its file."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (HERE / f"{table}.txt").read_text("utf-8").splitlines():
        if line.startswith(MARK):
            lines = found.setdefault(line.removeprefix(MARK), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines).strip("\n") for name, lines in found.items()}
