"""Read the decorators of one definition from a source text, without parsing the whole text, which takes half a second."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from .fingerprints._definitions import SourceUnreadable

_UNDECORATED = re.compile(r"\s*(async\s+)?def\b")


def decorators(lines: list[str], first: int) -> list[list[str]]:
    """Return the decorators of the definition whose code has this ``co_firstlineno``, outermost first.

    Each is given as the dotted names in its expression: ``@partial(a.b, c)`` has ``partial``, ``a.b`` and ``c``.

    Raises:
        SourceUnreadable: this line has no definition, or this Python cannot parse it.
    """
    if _UNDECORATED.match(lines[first - 1]):
        return []
    while first > 1 and not lines[first - 1].lstrip().startswith("@"):  # "@(" may be on the line before the expression
        first -= 1
    head = lines[first - 1 : first - 1 + _lines_before_def(lines[first - 1 :])]
    indent = head[0][: len(head[0]) - len(head[0].lstrip())]
    around = "if True:\n" if indent else ""
    try:
        tree = ast.parse("\n".join([f"{around}{head[0]}", *head[1:], f"{indent}def target(): ..."]))
    except SyntaxError as error:
        raise SourceUnreadable(f"this Python cannot parse the decorators in line {first}: {error.msg}") from error
    (definition,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return [list(_dotted_names(decorator)) for decorator in definition.decorator_list]


def _lines_before_def(lines: list[str]) -> int:
    text = io.StringIO("\n".join(lines))
    try:
        for token in tokenize.generate_tokens(text.readline):
            if token.type == tokenize.NAME and token.string in ("def", "async"):
                return token.start[0] - 1
    except (SyntaxError, tokenize.TokenError) as error:
        raise SourceUnreadable(f"this Python cannot tokenize {lines[0]!r}: {error}") from error
    raise SourceUnreadable(f"there is no definition after {lines[0]!r}")


def _dotted_names(expression: ast.AST) -> Iterator[str]:
    attributes: list[str] = []
    while isinstance(expression, ast.Attribute):
        attributes.insert(0, expression.attr)
        expression = expression.value
    if isinstance(expression, ast.Name):
        yield ".".join([expression.id, *attributes])
    for child in ast.iter_child_nodes(expression):
        yield from _dotted_names(child)
