"""Effects of a framework's function, as its source shows them, that must not happen twice: writes to arguments, random draws.

An argument is followed through names: what is bound to it, to a part of it, to what one of its methods returns, or to an item of
it, may share its memory, unless it comes from a call that makes something new. What called functions do is not seen, so
those that get an argument are listed, too.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field

NEW = {"clone", "copy", "sum", "gather", "masked_fill", "index_select", "item", "tolist", "max", "min"}
"""Methods whose result shares no memory with the object."""
GOING_THROUGH = {"zip", "enumerate", "reversed"}
CHANGING = {"append", "pop", "extend", "update", "insert", "remove", "clear", "sort", "setdefault", "reverse", "add", "discard"}
RANDOM = ("rand", "normal", "multinomial", "seed", "bernoulli", "shuffle")


@dataclass
class Found:
    """The effects of a function: lines of its source, and names of functions that get an argument."""

    writes: list[str] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)
    given_to: set[str] = field(default_factory=set)


def examine(function: ast.FunctionDef) -> Found:
    """Return what a function's source shows."""
    arguments = function.args  # a call's own ``*args`` and ``**kwargs`` are new
    found, aliases = Found(), {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    body = [node for statement in function.body for node in ast.walk(statement)]
    before = -1
    while before != len(aliases):  # a loop may bind a name below its first use
        before = len(aliases)
        for node in body:
            for target, value in _bindings(node):
                if _root(value) in aliases:
                    aliases |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
    for node in body:
        for target in _targets(node):
            if not isinstance(target, ast.Name) and _root(target) in aliases:
                found.writes.append(ast.unparse(node))
        if isinstance(node, ast.AugAssign) and _root(node.target) in aliases:
            found.writes.append(ast.unparse(node))
        if isinstance(node, ast.Call):
            _call(node, aliases, found)
    return found


def _call(node: ast.Call, aliases: set[str], found: Found) -> None:
    name = ast.unparse(node.func)
    last = name.rpartition(".")[2]
    if isinstance(node.func, ast.Attribute) and _root(node.func.value) in aliases:
        changes = last in CHANGING or (last.endswith("_") and not last.endswith("__"))
        if changes or any(keyword.arg == "out" for keyword in node.keywords):
            found.writes.append(ast.unparse(node))
    if any(word in last for word in RANDOM):
        found.draws.append(ast.unparse(node))
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    of_alias = isinstance(node.func, ast.Attribute) and _root(node.func.value) in aliases
    if name not in dir(builtins) and (of_alias or any(_root(value) in aliases for value in given)):
        is_method = isinstance(node.func, ast.Attribute) and not name.startswith("torch.")
        found.given_to.add(f".{last}" if is_method else name)


def _bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Pairs of what is bound and what it is bound to, or to an item of it."""
    if isinstance(node, ast.Assign):
        return [pair for target in node.targets for pair in _paired(target, node.value)]
    if isinstance(node, (ast.For, ast.comprehension)):
        return [(node.target, node.iter)]
    if isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        return [(node.target, node.value)]
    return []


def _paired(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [] if isinstance(target, (ast.Attribute, ast.Subscript)) else [(target, value)]


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return [each for target in node.targets for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
    if isinstance(node, ast.AnnAssign):
        return [node.target]
    return list(node.targets) if isinstance(node, ast.Delete) else []


def _root(node: ast.expr) -> str | None:
    """The name whose object an expression may share memory with; None for a new object."""
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr not in NEW:
            node = node.func.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GOING_THROUGH and node.args:
            node = node.args[-1]
        else:
            return None
