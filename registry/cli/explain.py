"""``syncfree explain HOOK``: what it replaces, where the installed release waits, how to switch it, how to measure it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import partial
from inspect import cleandoc
from pathlib import Path

import typer

from .._binding_state import BindingState
from .._errors import or_default
from .._plugins import Implementation
from .._runtime import RUNTIME
from .._target import parse
from ..fingerprints._definitions import first_line
from ..hooks import HOOKS
from ._hook_names import complete, known
from ._output import print_line, print_paragraph

_MOST_PLACES = 6


def explain_command(
    hook: str = typer.Argument(..., help="The hook's name; syncfree list shows all of them.", autocompletion=complete),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show every place, and the whole contract."),
) -> None:
    """Say what a hook replaces, where the installed release waits, how to switch it, and how to measure it."""
    found = HOOKS[known(hook)]
    print_paragraph(f"{hook}: {found.summary}", style="bold")
    print_line("")
    _where([state for state in RUNTIME.survey() if state.binding.hook == hook and state.installed], verbose)
    print_line("")
    print_line("What can run instead", "bold")
    for implementation in RUNTIME.plugins().candidates(hook):
        _implementation(implementation)
    print_line("")
    print_line("Switch it", "bold")
    print_line(f"  {found.variable}=upstream")
    print_paragraph("in the environment, before the process starts; or the name of an implementation", 6)
    print_line(f'  syncfree.use({hook}="upstream"{", all_ranks=True" if found.lockstep else ""})')
    print_paragraph("in the program" + (", called by every rank: ranks that differ hang" if found.lockstep else ", at any time"), 6)
    print_line("")
    print_line("Measure it", "bold")
    print_line("  syncfree audit -- python your_program.py")
    print_paragraph("counts host syncs by line of code; run it with and without the variable above", 6)
    if not found.lockstep:
        print_line(f'  syncfree.compare("{hook}", "upstream", "{_ours(hook)}", call)')
        print_paragraph("times your call in alternating order, with an interval for the ratio", 6)
    if verbose:
        print_line("")
        print_line("Contract", "bold")
        for line in cleandoc(found.spec.__doc__ or "").splitlines():
            print_line(f"  {line}" if line else "")


def _ours(hook: str) -> str:
    return next((one.plugin for one in RUNTIME.plugins().candidates(hook)), "sync_free")


def _where(states: list[BindingState], verbose: bool) -> None:
    """Print each installed target, by framework and reason, with its file and line."""
    if not states:
        print_paragraph("No framework is installed here whose code this hook replaces.")
    groups: dict[tuple[str, str, str], list[str]] = {}
    for state in states:
        key = str(state.installed), state.judgement.verdict, state.judgement.reason
        groups.setdefault(key, []).extend(_places(state))
    for (framework, verdict, reason), places in groups.items():
        print_line(f"{framework}: {verdict}", "bold")
        print_paragraph(reason, 2)
        shown = places if verbose else places[:_MOST_PLACES]
        for place in shown:
            print_line(f"      {place}")
        if len(shown) < len(places):
            print_line(f"      and {len(places) - len(shown)} more: --verbose")


def _places(state: BindingState) -> Iterator[str]:
    """Yield the targets with file and line; those that the release does not have without."""
    assert state.installed is not None
    for target in map(parse, state.binding.targets):
        path = state.installed.source(target.module)
        line = or_default(partial(_line, path, target.qualname), None)
        if path is None or line is None:
            yield str(target)
        else:
            yield f"{path.relative_to(state.installed.location.parent)}:{line} {target.qualname}"


def _line(path: Path | None, qualname: str) -> int | None:
    return None if path is None else first_line(path.read_text("utf-8"), qualname)


def _implementation(implementation: Implementation) -> None:
    declared = implementation.declaration
    syncs = "?" if declared.host_syncs is None else declared.host_syncs
    exact = "bitwise upstream's result" if declared.exact else "not declared exact, so never a default"
    print_line(f"  {implementation.plugin}", "green")
    print_paragraph(f"{exact}; host syncs per call: {syncs}", 6)
    about = or_default(lambda: _docstring(declared.implementation), None)
    if about:
        print_paragraph(about.replace("``", ""), 6)


def _docstring(implementation: str | None) -> str | None:
    """Return the first paragraph of a module's docstring, from its source: importing it would import torch."""
    spec = importlib.util.find_spec(implementation.partition(":")[0]) if implementation else None
    if spec is None or spec.origin is None:
        return None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()) or None
