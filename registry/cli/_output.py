"""All output of the commands. Foreign text is printed literally, never interpreted as markup or control codes."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from textwrap import wrap
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .._errors import SyncfreeError
from .._text import printable

if TYPE_CHECKING:
    from typing_extensions import Self


class OutputError(SyncfreeError):
    """Standard output cannot be written to."""

    page = "docs/command-line.md"


Style = str
"""One of rich's styles."""

_dropped = False
"""Whether standard output lost its reader, and the rest of the output is dropped."""

_NARROWEST = 60
"""Columns of text; narrower than this the terminal wraps lines itself."""


def print_line(text: str, style: Style = "") -> None:
    """Print one line; a terminal wraps it."""
    _print(Text(printable(text), style), soft_wrap=True)


def print_paragraph(text: str, indent: int = 0, style: Style = "") -> None:
    """Print text wrapped at spaces to the terminal's width, each line indented."""
    for line in wrap(printable(text), max(_width() - indent, 1), break_long_words=False, break_on_hyphens=False) or [""]:
        _print(Text(" " * indent + line, style), soft_wrap=True)


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str = "") -> None:
    """Print a table in which no cell is cut or wrapped; where that is too wide, one row after the other, a cell per line."""
    heads, cells = list(columns), [list(row) for row in rows]
    if title:
        print_line(title, "bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(Text(printable(head)), no_wrap=True)
    for row in cells:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if Measurement.get(console := Console(width=10_000), console.options, table).maximum <= _width():
        _print(table)
        return
    for first, *others in cells:
        if first:
            print_line(first, "bold")
        for head, cell in zip(heads[1:], others, strict=True):
            if cell:
                print_line(f"  {head}: {cell}" if head else f"  {cell}")


def print_json(data: Any) -> None:
    """Print data as JSON, in ASCII."""
    _write(sys.stdout, json.dumps(data, indent=2) + "\n")


def print_error(text: str) -> None:
    """Print one line to standard error."""
    _write(sys.stderr, printable(text) + "\n")


def is_read() -> bool:
    """Whether anybody can still read standard output; nobody can after the other end of a pipe was closed (``| head``)."""
    return not _dropped


def tolerate_every_character() -> None:
    """Print characters that the encoding of standard output lacks as escapes, as Python does on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class RoundsBar:
    """A progress bar on standard error, where that is a terminal, of rounds of A against A and of A against B.

    As a ``with`` block, it is removed at its end.
    """

    def __init__(self, equal_rounds: int, rounds: int) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {
            "equal": self._bars.add_task("A against A", total=equal_rounds),
            "rounds": self._bars.add_task("A against B", total=rounds),
        }

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()

    def __call__(self, phase: str, done: int) -> None:
        """Show how many rounds of a phase are done: ``equal`` or ``rounds``."""
        self._bars.update(self._tasks[phase], completed=done)


def is_redrawable() -> bool:
    """Whether standard output is a terminal on which `screen` shows anything; a dumb one (``TERM``) only gets new lines."""
    console = Console()
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def screen(columns: Iterable[str]) -> Iterator[Callable[[Iterable[tuple[str, Iterable[Iterable[str]]]], str], None]]:
    """Use the whole terminal; yields what shows tables, each a title and rows, and a line below them."""
    heads = list(columns)
    with Live(console=Console(), screen=True, auto_refresh=False) as live:

        def show(tables: Iterable[tuple[str, Iterable[Iterable[str]]]], below: str) -> None:
            parts: list[RenderableType] = []
            for title, rows in tables:
                table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
                for head in heads:
                    table.add_column(Text(printable(head)), no_wrap=True)
                for row in rows:
                    table.add_row(*(Text(printable(cell)) for cell in row))
                parts += [Text(printable(title), "bold"), table]
            live.update(Group(*parts, Text(printable(below), "dim")), refresh=True)

        yield show


class _Page(io.StringIO):
    """Collects rich's output, formatted as for standard output."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.encoding = getattr(sys.stdout, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return sys.stdout is not None and sys.stdout.isatty()


def _width() -> int:
    return max(shutil.get_terminal_size().columns, _NARROWEST)  # unlike rich, it accepts every value of COLUMNS


def _print(renderable: RenderableType, soft_wrap: bool = False) -> None:
    page = _Page()
    console = Console(file=page, width=_width(), height=shutil.get_terminal_size().lines)
    console.print(renderable, soft_wrap=soft_wrap)
    _write(sys.stdout, "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines()))


def _write(stream: TextIO | None, text: str) -> None:
    """Write to a stream; a broken pipe, as with ``| head``, drops the output and does not change the exit status.

    Raises:
        OutputError: standard output cannot be written to for another reason, such as a full disk.
    """
    global _dropped
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
        _dropped = _dropped or stream is sys.stdout
        if stream is not sys.stderr and not isinstance(error, BrokenPipeError):
            raise OutputError(f"syncfree: cannot write to standard output: {error.strerror}") from error
