"""A call with its evaluated parts, and what its arguments say of a device and of waiting."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ._names import path_of
from ._value import UNKNOWN, Place, Value, What


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        name: the function with imports resolved, such as ``torch.tensor``; empty for a method of an expression.
        method: the last part of the name.
        owner: what is before the method.
        arguments, keywords: the values.
    """

    node: ast.Call
    name: str
    method: str
    owner: Value
    arguments: tuple[Value, ...]
    keywords: dict[str, Value]

    def keyword(self, name: str) -> ast.expr | None:
        """Return the expression of a keyword."""
        return next((keyword.value for keyword in self.node.keywords if keyword.arg == name), None)

    def first(self) -> Value:
        """Return the first positional argument."""
        return self.arguments[0] if self.arguments else UNKNOWN

    def is_true(self, name: str) -> bool:
        """Return whether a keyword is the constant True."""
        node = self.keyword(name)
        return isinstance(node, ast.Constant) and node.value is True

    def is_false(self, name: str) -> bool:
        """Return whether a keyword is the constant False."""
        node = self.keyword(name)
        return isinstance(node, ast.Constant) and node.value is False

    def is_of_nothing(self) -> bool:
        """Return whether its first argument is an empty list."""
        return bool(self.node.args) and isinstance(self.node.args[0], ast.List | ast.Tuple) and not self.node.args[0].elts

    def place(self) -> Place | None:
        """Return where ``device=`` puts a tensor; None without it or with None. What is not known may be a GPU."""
        node = self.keyword("device")
        return None if node is None else place_of(node, self.keywords["device"])

    def pinned(self) -> bool | None:
        """Return what ``pin_memory=`` says; None where it is decided at run time."""
        node = self.keyword("pin_memory")
        if node is None:
            return False
        return bool(node.value) if isinstance(node, ast.Constant) else None

    def moved_to(self) -> Place | None:
        """Return where ``.to(...)`` moves; None where it changes the dtype only, or nobody can tell."""
        if (place := self.place()) is not None:
            return place
        if not self.arguments or isinstance(self.node.args[0], ast.Starred):
            return None
        node, value = self.node.args[0], self.arguments[0]
        if value.what is What.TENSOR:
            return value.place
        return place_of(node, value) if value.what is What.DEVICE or _names_a_device(node) else None


def place_of(node: ast.expr, value: Value) -> Place | None:
    """Return the place that an expression for a device names; None for None."""
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, str):
            return None if node.value is None else Place.DEVICE
        return Place.HOST if node.value.split(":")[0] == "cpu" else None if node.value == "meta" else Place.DEVICE
    if value.what is What.DEVICE and value.place is not Place.UNKNOWN:
        return value.place
    return Place.HOST if "cpu" in path_of(node).lower() else Place.DEVICE


def _names_a_device(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.Call):
        return path_of(node.func).endswith("device")
    return path_of(node).lower().endswith("device")
