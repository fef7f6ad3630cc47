"""Tables of the demos, in which no name is cut, whatever the width."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from textwrap import fill

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_UNLIMITED = 10_000


def print_rows(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; where that is too wide for the console, one row after the other, a cell per line, wrapped at spaces.

    Cells are plain text; an empty one is left out where each has a line.
    """
    table = _table(title, columns, rows, ())
    table.show_lines = True
    if _fits(console, table):
        console.print(table)
        return
    console.print(Text(title, "italic"))
    for first, *others in rows:
        console.print(Text(first, "bold"))
        for column, cell in zip(columns[1:], others, strict=True):
            if cell:
                console.print(Text(_indented(f"{column}: {cell}", console.width)), soft_wrap=True)


def print_wrapped(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()
) -> None:
    """Print a table; where that is too wide for the console, with each column as narrow as its longest word.

    Cells are plain text; those of the columns ``right`` are aligned there.
    """
    table = _table(title, columns, rows, right)
    if not _fits(console, table):
        heads_and_cells = [_narrow(column) for column in zip(columns, *rows, strict=True)]
        heads, *narrow = zip(*heads_and_cells, strict=True)
        aligned = [head for head, column in zip(heads, columns, strict=True) if column in right]
        table = _table(title, heads, narrow, aligned)
    console.print(table)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str]) -> Table:
    # rich's own wrapping cuts words where the columns together are too wide.
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _fits(console: Console, table: Table) -> bool:
    return Measurement.get(console, console.options.update(width=_UNLIMITED), table).maximum <= console.width


def _indented(text: str, width: int) -> str:
    """Wrap text at spaces; its first line is indented, the others more."""
    return fill(
        text, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _narrow(cells: Sequence[str]) -> list[str]:
    longest = max(len(word) for cell in cells for word in cell.split())
    return [fill(cell, longest, break_long_words=False, break_on_hyphens=False) for cell in cells]
