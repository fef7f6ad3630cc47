"""The settings of recording: hooks, numbers of calls and the folder; checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from .._errors import unknown_hook
from .._hook import Hook
from .._text import clipped


@dataclass(frozen=True, slots=True)
class Settings:
    """The recording of a hook: the first ``calls`` of each process, into ``folder``."""

    calls: int
    folder: str


def parse_calls(text: str, variable: str, hooks: Mapping[str, Hook]) -> tuple[dict[str, int], list[str]]:
    """Read ``"hook=calls,hook=calls"``; return the numbers that are valid, and the problems of the others."""
    calls: dict[str, int] = {}
    problems: list[str] = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = (part.strip() for part in word.partition("="))
        found = call_problems(name, number, hooks)
        problems += [f"{variable}: {problem}" for problem in found]
        if not found:
            calls[name] = int(number)
    return calls, problems


def call_problems(name: str, number: str, hooks: Mapping[str, Hook]) -> list[str]:
    """Return why so many calls of a hook cannot be recorded; empty when they can."""
    if name not in hooks:
        return [unknown_hook(name, hooks)]
    if obstacle := obstacle_of(hooks[name]):
        return [f"{name} cannot be recorded: {obstacle}"]
    if not (number.isascii() and number.isdigit() and 0 < int(number) <= 1_000_000):
        return [f"{name} has {clipped(number)!r} calls, which is not a number from 1 to 1000000"]
    return []


def obstacle_of(hook: Hook) -> str | None:
    """Return why the calls of a hook cannot be recorded; None when they can."""
    if hook.lockstep:
        return "its arguments contain a process group"
    annotations = {name: str(of.annotation) for name, of in inspect.signature(hook.spec).parameters.items()}
    acting = [name for name, annotation in annotations.items() if "Callable" in annotation or "Iterable" in annotation]
    if hook.pure or not acting or (hook.writes and not set(acting) & set(hook.writes)):
        return None
    return f"it calls {', '.join(acting)} for an effect that cannot be kept"
