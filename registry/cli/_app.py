"""The command line: its subcommands, and how errors end it."""

from __future__ import annotations

import sys

import typer

from .._errors import SyncfreeError
from .._version import __version__
from ..audit._cli import audit_command
from . import doctor, fingerprint, listing

app = typer.Typer(
    help="Pluggable hot-path hooks for inference frameworks, proven free of GPU stalls.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("list")(listing.list_command)
app.command("doctor")(doctor.doctor_command)
app.command("fingerprint")(fingerprint.fingerprint_command)
app.command("audit", context_settings={"allow_interspersed_args": False})(audit_command)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command; an error that the user can mend ends it with status 2 and one sentence."""
    try:
        app()
    except SyncfreeError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
