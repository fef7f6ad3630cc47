"""The progress bar of a measurement, on standard error where that is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from typing_extensions import Self


class Progress:
    """Shows the rounds of A against A, and of A against B. As a ``with`` block, it is removed at its end."""

    def __init__(self, equal_rounds: int, rounds: int) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)
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
