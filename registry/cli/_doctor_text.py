"""The text of ``syncfree doctor``: first the meaning, per framework; each binding with its reason on request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._binding_state import BindingState
from .._plan import Entry
from .._runtime import RUNTIME
from .._selection import UPSTREAM
from .._target import parse
from .._version import __version__
from ..hooks import HOOKS
from ._environment import Environment
from ._output import print_line, print_paragraph

_STYLES = {"stalls": "green", "repeats work": "green", "upstreamed": "cyan", "absent": "dim", "unknown": "red"}
_MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One binding, and the implementation that it would use once its module is imported."""

    entry: Entry
    would_use: str

    @classmethod
    def of(cls, state: BindingState, enabled: bool) -> Row:
        """The row of a binding as this process would load it."""
        choice, implementation = RUNTIME.choice(state)
        used = implementation.plugin if implementation is not None and enabled else UPSTREAM
        return cls(state.entry(choice, implementation), used)

    @property
    def installed(self) -> bool:
        """Its framework is installed."""
        return not self.entry.reason.endswith("is not installed")

    @property
    def replaces(self) -> bool:
        """An implementation of ours or of a plugin would be bound."""
        return self.would_use != UPSTREAM

    @property
    def kind(self) -> str:
        """The entry of the summary under which it is counted."""
        if self.replaces:
            return "to bind"
        if self.entry.verdict in ("stalls", "repeats work"):
            return "left to upstream by choice"
        return {"upstreamed": "already fixed upstream", "absent": "not in this release"}.get(self.entry.verdict, "refused")


_KINDS = ("to bind", "already fixed upstream", "left to upstream by choice", "not in this release", "refused")


def of_all(
    rows: list[Row], notes: list[str], problems: list[str], environment: Environment, *, enabled: bool, verbose: bool
) -> None:
    """Print the summary of every framework; with `verbose` every binding."""
    print_line(f"syncfree {__version__}{'' if enabled else ': switched off'}", "bold")
    print_line(environment.line)
    by_framework: dict[str, list[Row]] = {}
    for row in rows:
        by_framework.setdefault(row.entry.framework, []).append(row)
    for framework, of_framework in by_framework.items():
        print_line("")
        if not any(row.installed for row in of_framework):
            print_line(f"{framework}: not installed", "dim")
        else:
            print_paragraph(_head(of_framework), style="bold")
            (_bindings if verbose else _summary)(of_framework)
    print_line("")
    for other in environment.others:
        print_paragraph(f"also changes these frameworks: {other}")
    for note in notes:
        print_paragraph(f"note: {note}")
    for problem in problems:
        print_line(f"cannot be met: {problem}", "bold red")
    _next_steps(rows, problems, enabled=enabled, verbose=verbose)
    _for_an_issue(by_framework, environment, problems, enabled=enabled)


def of_hook(hook: str, rows: list[Row]) -> None:
    """Print the bindings of one hook, with their reasons."""
    print_line(hook, "bold")
    print_paragraph(HOOKS[hook].summary, 2)
    for framework in dict.fromkeys(row.entry.framework for row in rows):
        of_framework = [row for row in rows if row.entry.framework == framework]
        print_line("")
        if not any(row.installed for row in of_framework):
            print_line(f"{framework}: not installed", "dim")
            continue
        print_paragraph(_head(of_framework), style="bold")
        _bindings(of_framework, named=False)
    if not rows:
        print_line("No installed adapter binds it.")
    print_line("")
    print_line(f"syncfree explain {hook}")


def _head(rows: list[Row]) -> str:
    version = rows[0].entry.version or "(unknown version)"
    kinds = [row.kind for row in rows]
    counts = [f"{kinds.count(kind)} {kind}" for kind in _KINDS if kind in kinds or kind in ("to bind", "refused")]
    return f"{rows[0].entry.framework} {version}: {', '.join(counts)}"


def _summary(rows: list[Row]) -> None:
    """Print a paragraph per hook that would be bound, and every binding that is refused."""
    used: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.replaces:
            used.setdefault((row.entry.hook, row.would_use), []).append(row)
    for (hook, implementation), of_hook in used.items():
        places = f" in {len(of_hook)} places" if len(of_hook) > 1 else ""
        print_line(f"  {hook} = {implementation}{places}", "green")
        by_reason: dict[str, list[Row]] = {}
        for row in of_hook:
            by_reason.setdefault(row.entry.reason, []).append(row)
        for reason, alike in list(by_reason.items())[:_MOST_REASONS]:
            print_paragraph(f"{reason} ({len(alike)} places)" if 1 < len(alike) < len(of_hook) else reason, 6)
        if len(by_reason) > _MOST_REASONS:
            print_line(f"      and {len(by_reason) - _MOST_REASONS} more: syncfree doctor {hook}")
    for row in rows:
        if row.kind == "refused":
            print_line(f"  {row.entry.hook} refused", "red")
            print_paragraph(row.entry.reason, 6)


def _bindings(rows: Iterable[Row], named: bool = True) -> None:
    """Print each binding: verdict, choice, targets, reason. Names of targets are never wrapped."""
    for row in rows:
        entry = row.entry
        head = f"{entry.hook} = {row.would_use}" if named else row.would_use
        print_line(f"  {entry.verdict}: {head} ({entry.source})", _STYLES[entry.verdict])
        for target in entry.targets:
            print_line(f"      {parse(target).qualname}")
        print_paragraph(entry.reason, 6, "dim")
        if entry.note and row.replaces:
            print_paragraph(entry.note, 6, "dim")


def _next_steps(rows: list[Row], problems: list[str], *, enabled: bool, verbose: bool) -> None:
    first = next((row.entry.hook for row in rows if row.replaces), None)
    refused = sorted({row.entry.hook for row in rows if row.kind == "refused"})
    if problems:
        print_paragraph("Choose something else, or unset the variable that is named above.")
    if refused:
        print_paragraph(f"What is refused stays upstream's: its code is not the recorded one. syncfree doctor {refused[0]} says why.")
    if not enabled:
        print_paragraph("Everything stays upstream's. Unset SYNCFREE to switch on.")
    elif not any(row.installed for row in rows):
        print_paragraph("Install a framework; its hooks are bound when it is imported.")
    elif first is not None:
        print_paragraph("These hooks are bound when the framework is imported; nothing else is needed. For each of them:")
        print_line(f"  syncfree explain {first}")
        print_line(f"  SYNCFREE_{first.upper()}=upstream    switches it off")
        if not verbose:
            print_line("  syncfree doctor --verbose    every binding, with its reason")


def _for_an_issue(by_framework: dict[str, list[Row]], environment: Environment, problems: list[str], *, enabled: bool) -> None:
    print_line("")
    print_line("For an issue report:", "dim")
    print_line(f"  syncfree {__version__}{'' if enabled else ' (switched off)'}; {environment.line}; {environment.system}")
    for of_framework in by_framework.values():
        if any(row.installed for row in of_framework):
            print_line(f"  {_head(of_framework)}")
    for line in (*environment.variables, *environment.others, *problems):
        print_line(f"  {line}")
