"""The command line: its subcommands and its exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from .._errors import SyncfreeError
from .._text import printable
from .._version import __version__
from ..audit._cli import audit_command
from . import ab, config, doctor, drift, explain, fingerprint, lint, listing, new, ps, record, releases, report, toggle, top
from ._output import print_error, print_line, tolerate_every_character


class _Commands(TyperGroup):
    """The group of commands, with the same behaviour under every typer from 0.12 on."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _quoted():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _quoted():
            return super().invoke(ctx)


@contextmanager
def _quoted() -> Iterator[None]:
    """Make errors about the arguments printable, and exit with status 130 on an interrupt."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(130) from interrupt
    except _USAGE_ERROR as error:
        error.message = "\n".join(map(printable, error.message.split("\n")))  # a message may have several lines
        raise


_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""The base of the errors about arguments; from typer 0.20 on it is typer's own, before it was click's."""

app = typer.Typer(
    cls=_Commands,
    help="Pluggable hot-path hooks for inference frameworks, proven free of GPU stalls.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_COMMANDS: dict[str, tuple[Any, str]] = {
    "list": (listing.list_command, "The hooks, their implementations, and the defaults."),
    "doctor": (doctor.doctor_command, "What is done to the installed frameworks, and why."),
    "explain": (explain.explain_command, "One hook: what it replaces, and how to switch it."),
    "config": (config.config_command, "The choices in effect here, and their sources."),
    "ps": (ps.ps_command, "The running processes: choices, calls per second."),
    "top": (top.top_command, "The same, shown again every second."),
    "toggle": (toggle.toggle_command, "Switch hooks in every process of a running job."),
    "audit": (audit_command, "Run a command; count where its host waits for the GPU."),
    "lint": (lint.lint_command, "Find waits for the GPU in source code."),
    "record": (record.record_command, "Run a command; keep real calls of a hook."),
    "ab": (ab.ab_command, "Measure one implementation against another."),
    "report": (report.report_command, "One HTML page of comparisons."),
    "new-plugin": (new.new_plugin_command, "Write the package of a new plugin."),
    "new-adapter": (new.new_adapter_command, "Write the package of a new adapter."),
    "drift": (drift.drift_command, "Follow patched functions over a package's releases."),
    "releases": (releases.releases_command, "For adapters: what new releases mean for them."),
    "fingerprint": (fingerprint.fingerprint_command, "For adapters: record a release's functions."),
}
"""Each with a line that fits 80 columns; the whole description is the function's docstring."""
for _name, (_command, _summary) in _COMMANDS.items():
    _settings = {"allow_interspersed_args": False} if _name == "audit" else {}
    app.command(_name, short_help=_summary, context_settings=_settings)(_command)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        print_line(__version__)
        raise typer.Exit


def run() -> None:
    """Run the command; an error that the user can fix ends it with status 2, one sentence and its page; any other is raised."""
    tolerate_every_character()
    try:
        app()
    except SyncfreeError as error:
        print_error(f"{error} (see {error.page})")
        sys.exit(2)
