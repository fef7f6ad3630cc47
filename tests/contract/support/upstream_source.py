"""Real functions of a framework release, taken out of its source without importing the framework."""

from __future__ import annotations
import __future__

import ast
import functools
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def functions(file: Path | zipfile.Path, names: Iterable[str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Define `names` of a source file in `namespace`, unchanged, and return the namespace.

    `names` are module-level functions, classes and assigned names, or ``Class.function`` (defined under the
    function's own name). What they use at run time must be in `namespace`; annotations are not evaluated.

    Raises:
        LookupError: the file has no such name.
    """
    wanted = set(names)
    body: list[ast.stmt] = []
    for node in _parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name not in wanted:
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and f"{node.name}.{member.name}" in wanted:
                    wanted.discard(f"{node.name}.{member.name}")
                    body.append(member)
        elif found := wanted & _defined(node):
            wanted -= found
            body.append(node)
    if wanted:
        raise LookupError(f"{file} does not define {', '.join(sorted(wanted))}")
    code = compile(
        ast.Module(body, type_ignores=[]),
        str(file),
        "exec",
        flags=__future__.annotations.compiler_flag,
        dont_inherit=True,
    )
    exec(code, namespace)
    return namespace


@functools.cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()
