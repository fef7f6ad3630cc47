"""Read a function's signature and fingerprint from a module's source text, without importing the module.

A fingerprint changes only when the function's behaviour may change: it ignores comments, docstrings, blank lines, the width
of the indentation and the wrapping of lines inside brackets. It is the same under every Python that can parse the source:
``ast.dump`` and the tokens of f-strings differ between 3.11, 3.12 and 3.13, so only slices of the source text are hashed.
See ``docs/fingerprints.md``.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from token import COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL, OP

from ._definitions import DEFINITIONS, Function, SourceUnreadable, definitions, first_line_of, parsed

_Position = tuple[int, int]

# Absent before Python 3.12 (f-strings) and 3.14 (t-strings), where such a literal is one STRING token.
_TEMPLATE_STARTS = {getattr(tokenize, name, -1) for name in ("FSTRING_START", "TSTRING_START")}
_TEMPLATE_ENDS = {getattr(tokenize, name, -1) for name in ("FSTRING_END", "TSTRING_END")}

_IGNORED = {COMMENT, NL, ENDMARKER}
_SEPARATOR = "\0"  # the only character that no Python source may contain
_STRUCTURE = {NEWLINE: "\1", INDENT: "\2", DEDENT: "\3"}
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """The record of a function.

    A name that is defined more than once (``if``/``else``, a property and its setter) has one record for all definitions.

    Attributes:
        signature: parameter names, kinds and defaults, without annotations: ``(self, x, *, y=None)``; those of several
            definitions, where they differ, are joined by ``" | "``.
        fingerprint: ``sha256:`` and 16 hexadecimal digits.
    """

    signature: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: int
    text: str
    start: _Position


def fingerprint(source: str, qualname: str) -> FunctionRecord | None:
    """Find ``function`` or ``Class.method`` in a module's source text and describe it; None when it is not defined there.

    Only ``def`` and ``async def`` count, at the module's or the class's level or under its ``if``, ``try``, ``with`` and
    loop statements. An inherited method, an assigned name and an imported one are not defined there.

    Raises:
        SourceUnreadable: this Python cannot parse the source.
    """
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")  # not splitlines(): that also splits at form feeds and U+2028
    found = list(definitions(parsed(source), qualname.split(".")))
    if not found:
        return None
    digest = hashlib.sha256()
    for node in found:
        try:
            digest.update(_normalised(node, lines).encode("utf-8", "surrogatepass"))
        except (SyntaxError, tokenize.TokenError) as error:  # `tokenize` rejects some line continuations that parse
            raise SourceUnreadable(f"this Python cannot tokenize {qualname}, line {node.lineno}: {error}") from error
        digest.update(b"\0\0")
    return FunctionRecord(
        signature=" | ".join(dict.fromkeys(_signature(node, lines) for node in found)),
        fingerprint=f"sha256:{digest.hexdigest()[:_DIGITS]}",
    )


def _normalised(node: Function, lines: list[str]) -> str:
    """Return the function's tokens, decorators included, comments and docstrings left out."""
    first = first_line_of(node, lines)
    assert node.end_lineno is not None
    lines = lines[first - 1 : node.end_lineno]
    spans = list(_docstring_spans(node, lines, first))
    kept: list[str] = []
    after_docstring = False
    for token in _tokens("\n".join(lines) + "\n"):
        # Compares only the start: before 3.12.2 the end of a multi-line string with non-ASCII text is wrong.
        if any(start <= token.start < end for start, end in spans):
            after_docstring = True
            continue
        ends_docstring = after_docstring and (token.kind == NEWLINE or token.text == ";")
        after_docstring = False
        if not ends_docstring:
            kept.append(_STRUCTURE.get(token.kind, token.text))
    # A method is tokenized with the indentation of its class, which does not affect its behaviour.
    if kept and kept[0] == _STRUCTURE[INDENT]:
        del kept[0]
    while kept and kept[-1] == _STRUCTURE[DEDENT]:
        kept.pop()
    return _SEPARATOR.join(kept)


def _docstring_spans(function: Function, lines: list[str], first_line: int) -> Iterator[tuple[_Position, _Position]]:
    for node in ast.walk(function):
        if not isinstance(node, DEFINITIONS) or not isinstance(node.body[0], ast.Expr):
            continue
        value = node.body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield _span(value, lines, first_line)


def _span(node: ast.expr, lines: list[str], first_line: int = 1) -> tuple[_Position, _Position]:
    """Return start and end of ``node`` within ``lines`` in characters, as `tokenize` counts; `ast` counts UTF-8 bytes."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start, end = node.lineno - first_line, node.end_lineno - first_line
    return (
        (start + 1, _characters(lines[start], node.col_offset)),
        (end + 1, _characters(lines[end], node.end_col_offset)),
    )


def _characters(line: str, byte_offset: int) -> int:
    return byte_offset if line.isascii() else len(line.encode()[:byte_offset].decode())


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens that matter; an f-string or t-string is one token with its text as written, as before 3.12."""
    lines = text.split("\n")
    depth = 0
    start = (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
        if token.type in _TEMPLATE_STARTS:
            start = start if depth else token.start
            depth += 1
        elif token.type in _TEMPLATE_ENDS:
            depth -= 1
            if not depth:
                yield _Token(tokenize.STRING, _slice(lines, start, token.end), start)
        elif not depth and token.type not in _IGNORED:
            yield _Token(token.type, token.string, token.start)


def _slice(lines: list[str], start: _Position, end: _Position) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    middle = lines[start[0] : end[0] - 1]
    return "\n".join([lines[start[0] - 1][start[1] :], *middle, lines[end[0] - 1][: end[1]]])


def _signature(node: Function, lines: list[str]) -> str:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    parts = [_parameter(parameter, default, lines) for parameter, default in zip(positional, defaults, strict=True)]
    if arguments.posonlyargs:
        parts.insert(len(arguments.posonlyargs), "/")
    if arguments.vararg:
        parts.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        parts.append("*")
    keyword_only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    parts += [_parameter(parameter, default, lines) for parameter, default in keyword_only]
    if arguments.kwarg:
        parts.append(f"**{arguments.kwarg.arg}")
    return f"({', '.join(parts)})"


def _parameter(parameter: ast.arg, default: ast.expr | None, lines: list[str]) -> str:
    return parameter.arg if default is None else f"{parameter.arg}={_expression(default, lines)}"


def _expression(node: ast.expr, lines: list[str]) -> str:
    """Return an expression on one line; not `ast.unparse`, whose text differs between Python versions."""
    if isinstance(node, ast.Constant):
        return "..." if node.value is ... else ascii(node.value)
    text = ""
    previous = OP
    # Brackets let an expression that is wrapped over several lines be tokenized by itself.
    for token in list(_tokens(f"({_slice(lines, *_span(node, lines))})\n"))[1:-2]:
        text += " " if OP not in (previous, token.kind) else ""
        text += ", " if token.text == "," else token.text
        previous = token.kind
    return text
