"""What a function of a framework looks like, read from its source text; nothing is imported.

The fingerprint is a hash of the function's source, decorators included, with comments, docstrings and blank space taken out
by token positions. It must not depend on the Python that computes it: ``ast.dump`` and the tokens of f-strings differ
between 3.11, 3.12 and 3.13, so only slices of the source text are hashed.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ._errors import SyncfreeError

_Function = ast.FunctionDef | ast.AsyncFunctionDef
# The openings and closings of f-strings and t-strings, which are single STRING tokens before 3.12.
_OPENS = {getattr(tokenize, name) for name in ("FSTRING_START", "TSTRING_START") if hasattr(tokenize, name)}
_CLOSES = {getattr(tokenize, name) for name in ("FSTRING_END", "TSTRING_END") if hasattr(tokenize, name)}
_BLANK = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_SHAPE = {tokenize.NEWLINE: "\n", tokenize.INDENT: "\x01", tokenize.DEDENT: "\x02"}

Position = tuple[int, int]


class SourceUnreadable(SyncfreeError):
    """A source file that this Python cannot read or parse."""


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """What is recorded of a function.

    Attributes:
        signature: parameter names, kinds and defaults, without annotations: ``(self, x, *, y=None)``.
        fingerprint: ``sha256:`` and 16 hexadecimal digits.
        lines: the first line of every definition of that name (decorators included), as ``co_firstlineno`` gives it.
        decorators: the largest number of decorators of a definition.
    """

    signature: str
    fingerprint: str
    lines: tuple[int, ...] = ()
    decorators: int = 0


def fingerprint(source: str, qualname: str) -> FunctionRecord | None:
    """Find ``function`` or ``Class.method`` in a module's source text and describe it; None when it is not defined there.

    Definitions in ``if``, ``try`` and ``with`` blocks are found, too; several of one name are described together.

    Raises:
        SourceUnreadable: this Python cannot parse the source.
    """
    lines = io.StringIO(source).readlines()  # str.splitlines() also splits at form feeds, which ast does not
    found = list(_definitions(_parsed(source).body, qualname.split(".")))
    if not found:
        return None
    firsts = [min([node.lineno, *(d.lineno for d in node.decorator_list)]) for node in found]
    texts = [_text(node, first, lines) for node, first in zip(found, firsts, strict=True)]
    return FunctionRecord(
        signature=" | ".join(dict.fromkeys(_signature(node.args, lines) for node in found)),
        fingerprint="sha256:" + hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:16],
        lines=tuple(firsts),
        decorators=max(len(node.decorator_list) for node in found),
    )


@lru_cache(maxsize=8)
def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise SourceUnreadable(f"this Python cannot parse it: {error}") from error


def _definitions(body: Iterable[ast.stmt], path: list[str]) -> Iterator[_Function]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            if len(path) > 1 and node.name == path[0]:
                yield from _definitions(node.body, path[1:])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if path == [node.name]:
                yield node
        else:
            for field in ("body", "orelse", "handlers", "finalbody"):
                for child in getattr(node, field, []):
                    yield from _definitions(child.body if isinstance(child, ast.ExceptHandler) else [child], path)


def _text(node: _Function, first: int, lines: list[str]) -> str:
    """The definition's source without comments, docstrings and blank space."""
    segment = lines[first - 1 : node.end_lineno]
    docstrings = [(_shift(_start(d, lines), first), _shift(_end(d, lines), first)) for d in _docstrings(node)]
    parts: list[str] = []
    after_docstring = False
    for kind, text, start, end in _slices(segment):
        if any(low <= start and end <= high for low, high in docstrings):
            after_docstring = True
        elif kind in _SHAPE:
            if not (after_docstring and kind == tokenize.NEWLINE):
                parts.append(_SHAPE[kind])
            after_docstring = False
        else:
            parts.append(text + " ")
            after_docstring = False
    return "".join(parts).strip("\x01\x02\n ")


def _slices(segment: list[str]) -> Iterator[tuple[int, str, Position, Position]]:
    """Tokens as (kind, source text, start, end), an f-string with all it holds as one."""
    depth = 0
    opened: Position = (0, 0)
    feed = io.StringIO("".join(segment))
    for token in tokenize.generate_tokens(feed.readline):
        if token.type in _OPENS:
            if depth == 0:
                opened = token.start
            depth += 1
        elif token.type in _CLOSES:
            depth -= 1
            if depth == 0:
                yield tokenize.STRING, _slice(segment, opened, token.end), opened, token.end
        elif depth == 0 and token.type not in _BLANK:
            yield token.type, token.string, token.start, token.end


def _docstrings(node: ast.AST) -> Iterator[ast.expr]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = inner.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    yield first.value


def _signature(args: ast.arguments, lines: list[str]) -> str:
    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(args.defaults)), *args.defaults]
    parts = []
    for index, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
        parts.append(_parameter(arg, default, lines))
        if args.posonlyargs and index + 1 == len(args.posonlyargs):
            parts.append("/")
    if args.vararg:
        parts.append(f"*{args.vararg.arg}")
    elif args.kwonlyargs:
        parts.append("*")
    parts += [_parameter(arg, default, lines) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        parts.append(f"**{args.kwarg.arg}")
    return f"({', '.join(parts)})"


def _parameter(arg: ast.arg, default: ast.expr | None, lines: list[str]) -> str:
    if default is None:
        return arg.arg
    text = _slice(lines, _start(default, lines), _end(default, lines))
    return f"{arg.arg}={''.join(part for _, part, _, _ in _slices([f'({text})'])).strip()[1:-1]}"


def _slice(lines: list[str], start: Position, end: Position) -> str:
    (row, column), (last, stop) = start, end
    if row == last:
        return lines[row - 1][column:stop]
    return "".join([lines[row - 1][column:], *lines[row : last - 1], lines[last - 1][:stop]])


def _start(node: ast.expr, lines: list[str]) -> Position:
    return node.lineno, _characters(lines[node.lineno - 1], node.col_offset)


def _end(node: ast.expr, lines: list[str]) -> Position:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return node.end_lineno, _characters(lines[node.end_lineno - 1], node.end_col_offset)


def _characters(line: str, octets: int) -> int:
    """A column in characters from ast's column in UTF-8 bytes."""
    return len(line.encode()[:octets].decode())


def _shift(position: Position, first: int) -> Position:
    return position[0] - first + 1, position[1]
