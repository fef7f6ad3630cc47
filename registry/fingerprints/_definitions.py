"""The functions that a module's source text defines: by qualified name, by last name, with line and text. Nothing is imported."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import lru_cache

from .._errors import SyncfreeError

Function = ast.FunctionDef | ast.AsyncFunctionDef
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)


class SourceUnreadable(SyncfreeError):
    """This Python cannot read or parse a source file."""

    page = "docs/fingerprints.md"


def first_line(source: str, qualname: str) -> int | None:
    """Return the line of ``def`` of the first definition that `fingerprint` finds; None when there is none.

    Raises:
        SourceUnreadable: this Python cannot parse the source.
    """
    return next((node.lineno for node in definitions(parsed(source), qualname.split("."))), None)


def text_of(source: str, qualname: str) -> str | None:
    """Return the source text of a function that `fingerprint` finds, decorators included; None when there is none.

    Raises:
        SourceUnreadable: this Python cannot parse the source.
    """
    lines = source.replace("\r\n", "\n").split("\n")
    found = list(definitions(parsed(source), qualname.split(".")))
    return "\n\n".join("\n".join(lines[first_line_of(node, lines) - 1 : node.end_lineno]) for node in found) if found else None


def functions_named(source: str, name: str) -> list[str]:
    """Return the qualified names of the functions and methods of this last name, in the order of the source.

    Raises:
        SourceUnreadable: this Python cannot parse the source.
    """

    def within(scope: ast.AST, classes: tuple[str, ...]) -> Iterator[str]:
        for node in _statements(scope):
            if isinstance(node, ast.ClassDef):
                yield from within(node, (*classes, node.name))
            elif isinstance(node, Function) and node.name == name:
                yield ".".join((*classes, name))

    return list(dict.fromkeys(within(parsed(source), ())))


@lru_cache(maxsize=1)  # callers read several functions of one module in a row, and a syntax tree is large
def parsed(source: str) -> ast.Module:
    """Return the syntax tree of a module's source.

    Raises:
        SourceUnreadable: this Python cannot parse it.
    """
    try:
        with warnings.catch_warnings():
            # Invalid escapes in a framework's strings are not ours to report, and as an error such a warning would make
            # the source unreadable.
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        raise SourceUnreadable(f"this Python cannot parse line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; expressions nested too deeply
        raise SourceUnreadable(f"this Python cannot parse it: {error}") from error


def definitions(scope: ast.AST, path: list[str]) -> Iterator[Function]:
    """Yield the functions that ``path`` names in ``scope``, in the order of the source."""
    name, *rest = path
    for node in _statements(scope):
        if rest and isinstance(node, ast.ClassDef) and node.name == name:
            yield from definitions(node, rest)
        elif not rest and isinstance(node, Function) and node.name == name:
            yield node


def _statements(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a module or class, also those under ``if``, ``try``, ``with``, ``match`` and loops."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, DEFINITIONS):
            yield child
        elif isinstance(child, _BLOCKS):
            yield from _statements(child)


def first_line_of(node: Function, lines: list[str]) -> int:
    """Return the line, counted from 1, on which a definition begins with its first decorator."""
    if not node.decorator_list:
        return node.lineno
    line = node.decorator_list[0].lineno
    while not lines[line - 1].lstrip().startswith("@"):  # "@(" may be on the line before the expression
        line -= 1
    return line
