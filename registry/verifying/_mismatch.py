"""The record of a verification that failed: the call, the difference of the results, and a description of the arguments."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import SyncfreeError, one_line
from .._text import clipped

_DEEPEST = 3
_SHOWN = 40


class VerificationError(SyncfreeError):
    """A verified call gave another result than upstream, and the policy is ``raise``."""

    page = "docs/verify.md"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A verified call whose results differ.

    Attributes:
        target: the bound target, ``"package.module:Class.function"``.
        choice: the implementation that was verified.
        against: what it was compared with: ``upstream``, or ``reference``, the hook's.
        problem: the first difference.
        inputs: one line for each tensor and value of the arguments: shapes, dtypes, devices and types, no contents.
        contents: the folder that has the arguments; None where they were not asked for, or could not be kept.
    """

    hook: str
    target: str
    choice: str
    against: str
    problem: str
    inputs: tuple[str, ...]
    contents: str | None = None

    def __str__(self) -> str:
        other = "upstream" if self.against == "upstream" else "the hook's reference"
        kept = f"; the arguments are in {self.contents}" if self.contents else ""
        inputs = f"; arguments: {', '.join(self.inputs)}"
        return one_line(f"{self.hook}={self.choice} differs from {other} at {self.target}: {self.problem}{inputs}{kept}", 4000)


def described(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a line for each tensor and value of the arguments, without their contents."""
    lines = [line for name, value in arguments.items() for line in _lines(name, value, _DEEPEST)]
    more = len(lines) - _SHOWN
    return (*lines[:_SHOWN], *([f"and {more} more"] if more > 0 else []))


def _lines(name: str, value: Any, depth: int) -> Iterator[str]:
    torch = sys.modules.get("torch")
    parts: dict[str, Any] | None = None
    if torch is not None and isinstance(value, torch.Tensor):
        strides = "" if value.is_contiguous() else f", strides {list(value.stride())}"
        yield f"{name}: {str(value.dtype).removeprefix('torch.')} {list(value.shape)} on {value.device}{strides}"
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f".{field.name}": getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, Mapping):
        yield f"{name}: {type(value).__name__} of {len(value)}"
        return
    elif isinstance(value, (list, tuple)):
        plain = not any(isinstance(item, (list, tuple, Mapping)) or hasattr(item, "shape") for item in value)
        if plain or depth == 0:
            yield f"{name}: {type(value).__name__} of {len(value)}"
            return
        parts = {f"[{index}]": item for index, item in enumerate(value)}
    if parts is None:
        yield f"{name}: {clipped(type(value).__name__)}"
        return
    for part, item in parts.items():
        yield from _lines(f"{name}{part}", item, depth - 1)
