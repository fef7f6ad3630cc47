"""``syncfree doctor``: what is installed, what syncfree would do with it, and why."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import asdict

import typer

from .._runtime import RUNTIME
from .._version import __version__
from . import _doctor_text
from ._environment import Environment
from ._hook_names import complete, known
from ._output import print_json
from ._server import show


def doctor_command(
    hook: str | None = typer.Argument(
        None, help="Show the bindings of this hook alone, with their reasons.", autocompletion=complete
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show every binding with its reason."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    server: str | None = typer.Option(
        None, help="Show the plans in the workers of the vLLM server at this address instead, with their counters."
    ),
) -> None:
    """Say what syncfree does to the installed frameworks, and why. Imports no framework.

    Exits with status 1 when an explicit choice cannot be met; for a server, when its workers differ or do not all answer.
    """
    if hook is not None:
        known(hook)
    if server is not None:
        show(server, as_json, verbose)
        return
    enabled = RUNTIME.enabled
    states = RUNTIME.survey()
    problems = RUNTIME.problems(states) if enabled else []
    rows = [_doctor_text.Row.of(state, enabled) for state in states if hook in (None, state.binding.hook)]
    left_out = [*map(str, RUNTIME.plugins().broken), *RUNTIME.adapters().broken]
    ignored = [f"ignored while syncfree is switched off: {what}" for what in RUNTIME.selection().ignored]
    notes = [*_notes(), *ignored, *(f"left out: {what}" for what in left_out)]
    environment = Environment.of_this_process()
    if as_json:
        bindings = [{**asdict(row.entry), "would_use": row.would_use} for row in rows]
        found = {"syncfree": __version__, **environment.record(), "enabled": enabled}
        print_json({**found, "bindings": bindings, "notes": notes, "problems": problems})
    elif hook is not None:
        _doctor_text.of_hook(hook, rows)
    else:
        _doctor_text.of_all(rows, notes, problems, environment, enabled=enabled, verbose=verbose)
    if problems:
        raise typer.Exit(1)


def _notes() -> list[str]:
    if importlib.util.find_spec("_syncfree_site") is None:
        return [
            (
                "syncfree.pth is missing (an editable install does not get it): nothing is loaded automatically for diffusers "
                "and SGLang before 0.5.21. Install the wheel, or import syncfree.auto first"
            )
        ]
    if "_syncfree_site" not in sys.modules:
        return ["syncfree.pth is installed but did not run in this process (python -S or -I?)"]
    return []
