"""One function while it is read: what is known at this point, and where findings go."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ._value import UNKNOWN, State, Value, What

Report = Callable[[str, ast.AST], None]
"""Takes a code and the expression it was found at."""


@dataclass
class Scope:
    """A function.

    Attributes:
        report: called for each finding, possibly several times for the same.
        hot: whether what waits is looked for.
        names: what imported names stand for.
        attributes: what the other methods of its class assign to ``self.x``.
        host_by_default: whether a tensor made without ``device=`` is on the host: unless a default device is set in this file.
    """

    report: Report
    hot: bool
    names: Mapping[str, str]
    attributes: Mapping[str, Value] = field(default_factory=dict)
    host_by_default: bool = True
    state: State = field(default_factory=State)

    def hot_finding(self, code: str, node: ast.AST) -> None:
        """Report a wait, where the function is hot."""
        if self.hot:
            self.report(code, node)

    def get(self, path: str) -> Value | None:
        """Return what is known of a name or an attribute; None where nothing was assigned to it here."""
        found = self.state.values.get(path)
        if found is None:
            found = self.attributes.get(path)
        if found is not None and not found.buffer and found.what is What.TENSOR:
            return replace(found, buffer=path)
        return found

    def set(self, path: str, value: Value) -> None:
        """Record an assignment to a name or an attribute."""
        for name in [name for name in self.state.values if name.startswith(f"{path}.")]:
            del self.state.values[name]
        self.state.values[path] = value

    def forget(self, target: ast.expr) -> None:
        """Record an assignment of which nothing is known, as that of a loop."""
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                self.set(node.id, UNKNOWN)

    def full_name(self, path: str) -> str:
        """Return a dotted path with its import resolved: ``torch.tensor`` for ``tensor`` after ``from torch import tensor``."""
        first, dot, rest = path.partition(".")
        return f"{self.names.get(first, first)}{dot}{rest}"

    def made(self, node: ast.AST) -> str:
        """Return the buffer of memory that an expression makes, which is new each time."""
        buffer = f"{getattr(node, 'lineno', 0)}:{getattr(node, 'col_offset', 0)}"
        self.state.uploading.discard(buffer)
        self.state.downloading.discard(buffer)
        return buffer

    def read(self, node: ast.AST, value: Value) -> None:
        """Check a read by the host."""
        if value.buffer in self.state.downloading:
            self.report("SF104", node)

    def write(self, node: ast.AST, value: Value) -> None:
        """Check a write by the host."""
        if value.buffer in self.state.uploading and value.on_host:
            self.report("SF103", node)

    @contextmanager
    def inner(self) -> Iterator[None]:
        """Let the names that a comprehension assigns end with it."""
        before = dict(self.state.values)
        yield
        self.state.values = before
