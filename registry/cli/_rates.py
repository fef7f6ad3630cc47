"""Calls and declines per second, from two reports of a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..control._client import Process

_TROUBLE = ("replaced", "reloaded", "unloaded", "refused")


@dataclass(frozen=True, slots=True)
class HookRates:
    """One hook in one process.

    Attributes:
        choice: the implementation in use; several, separated by commas, where its places differ.
        calls: by the chosen implementation and the others, per second.
        declines: per second.
        total: calls since the process began.
    """

    hook: str
    choice: str
    state: str
    calls: float
    declines: float
    total: int


def rates(before: dict[str, Any], after: dict[str, Any], seconds: float) -> list[HookRates]:
    """Return the hooks that are bound, or were called, in a process.

    Args:
        before: the earlier report.
        after: the later report.
        seconds: between them.
    """
    found = []
    earlier, later = _by_hook(before), _by_hook(after)
    for hook, bindings in later.items():
        calls, declines = _counts(bindings)
        calls_before, declines_before = _counts(earlier.get(hook, []))
        shown = [binding for binding in bindings if binding["state"] in ("bound", "waiting", *_TROUBLE)]
        if not shown and not calls:
            continue
        names = ("choice", "state")
        choice, state = (", ".join(dict.fromkeys(binding[name] for binding in shown or bindings)) for name in names)
        per_second = [max(now - then, 0) / seconds for now, then in ((calls, calls_before), (declines, declines_before))]
        found.append(HookRates(hook, choice, state, per_second[0], per_second[1], calls))
    return found


def health(process: Process) -> str:
    """Return ``ok``, or what is wrong with a process."""
    if process.report is None:
        return f"does not answer: {process.silence}"
    plan = process.report["plan"]
    problems = [f"{binding['hook']} {binding['state']}" for binding in plan["bindings"] if binding["state"] in _TROUBLE]
    problems += [f"left out: {broken}" for broken in plan["broken_plugins"]]
    return "; ".join(dict.fromkeys(problems)) or "ok"


def _by_hook(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for binding in report["plan"]["bindings"]:
        if binding["framework"] in report["plan"]["loaded"]:
            found.setdefault(binding["hook"], []).append(binding)
    return found


def _counts(bindings: list[dict[str, Any]]) -> tuple[int, int]:
    counts = [count for binding in bindings for by_choice in binding["counts"].values() for count in by_choice.values()]
    return sum(count["calls"] for count in counts), sum(count["declines"] for count in counts)
