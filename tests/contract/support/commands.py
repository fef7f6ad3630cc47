"""Run the command ``syncfree`` in this process, which is cheaper than a new one."""

from __future__ import annotations

from dataclasses import dataclass

from typer.testing import CliRunner

from syncfree._errors import SyncfreeError
from syncfree.cli._app import app


@dataclass(frozen=True)
class Done:
    """The end of a command: its status (2 for an error that the user can fix), and all that it says."""

    status: int
    output: str


def syncfree(*arguments: str) -> Done:
    """Run a command; an exception that is not ours is raised."""
    found = CliRunner().invoke(app, arguments)
    if isinstance(found.exception, SyncfreeError):
        return Done(2, f"{found.output}{found.exception}")
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Done(found.exit_code, found.output)
