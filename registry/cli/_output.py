"""All output of the commands. Foreign text is printed literally, never interpreted as markup or control codes."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from .._errors import SyncfreeError
from .._text import printable


class OutputError(SyncfreeError):
    """Standard output cannot be written to."""


class Styled(NamedTuple):
    """Text in one of rich's styles."""

    text: str
    style: str


Cell = str | Styled | list[str]
"""A cell of a table: one text, or several lines."""

_NARROWEST = 60
"""Columns of text; with fewer, rich leaves out cells of a table."""


def print_line(text: str, style: str = "") -> None:
    """Print one line; a terminal wraps it."""
    _print(Text(printable(text), style), soft_wrap=True)


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Cell]]) -> None:
    """Print a table; what does not fit into a column is folded."""
    table = Table(title=Text(printable(title), "table.title"), title_justify="left")
    for column in columns:
        table.add_column(_text(column), overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    _print(table)


def print_json(data: Any) -> None:
    """Print data as JSON, in ASCII."""
    _write(sys.stdout, json.dumps(data, indent=2) + "\n")


def print_error(text: str) -> None:
    """Print one line to standard error."""
    _write(sys.stderr, printable(text) + "\n")


def tolerate_every_character() -> None:
    """Print characters that the encoding of standard output lacks as escapes, as Python does on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _text(cell: Cell) -> Text:
    if isinstance(cell, Styled):
        return Text(printable(cell.text), cell.style)
    return Text("\n".join(map(printable, [cell] if isinstance(cell, str) else cell)))


class _Page(io.StringIO):
    """Collects rich's output, formatted as for standard output."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return sys.stdout is not None and sys.stdout.isatty()


def _print(renderable: RenderableType, soft_wrap: bool = False) -> None:
    page, size = _Page(), shutil.get_terminal_size()  # unlike rich, it accepts every value of COLUMNS and LINES
    console = Console(file=page, width=max(size.columns, _NARROWEST), height=size.lines)
    console.print(renderable, soft_wrap=soft_wrap)
    _write(sys.stdout, page.getvalue())


def _write(stream: TextIO | None, text: str) -> None:
    """Write to a stream; a broken pipe, as with ``| head``, drops the output and does not change the exit status.

    Raises:
        OutputError: standard output cannot be written to for another reason, such as a full disk.
    """
    if stream is None:  # closed when Python started
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # The rest of the buffer would fail again when Python exits.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            raise OutputError(f"syncfree: cannot write to standard output: {error.strerror}") from error
