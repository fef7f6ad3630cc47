"""Comments and decorators that steer the check: ``# syncfree: hot`` and ``# noqa: SF101``."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from fnmatch import fnmatchcase

from ._codes import CODES
from ._names import path_of
from ._settings import Settings

_HOT = re.compile(r"#\s*syncfree:\s*hot\b")
_NOQA = re.compile(r"#\s*noqa(?P<codes>:\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?(?P<rest>.?)", re.IGNORECASE)
_OURS = re.compile(r"\bSF[0-9]+\b")


def is_hot(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], name: str, settings: Settings) -> bool:
    """Return whether a function is marked: by a comment on one of the lines of its ``def``, a decorator, or a pattern.

    Args:
        name: ``package.module:Class.function``.
    """
    head = lines[node.lineno - 1 : max(node.body[0].lineno - 1, node.lineno)]
    if any(_HOT.search(line) for line in head):
        return True
    decorators = {path_of(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
    return bool(decorators & set(settings.hot_decorators)) or any(fnmatchcase(name, pattern) for pattern in settings.hot)


class Suppressions:
    """The ``# noqa`` comments of a source text; one without codes suppresses all, as for other linters."""

    def __init__(self, source: str) -> None:
        self._codes: dict[int, frozenset[str]] = {}
        self.unknown: list[tuple[int, str]] = []
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and (found := _NOQA.search(token.string)):
                self._take(token.start[0], found)

    def _take(self, line: int, found: re.Match[str]) -> None:
        if not found["codes"]:
            if found["rest"] != ":":
                self._codes[line] = frozenset(CODES)
            return
        codes = frozenset(_OURS.findall(found["codes"].upper()))
        self._codes[line] = codes
        if codes - set(CODES):
            self.unknown.append((line, "SF001"))

    def covers(self, code: str, first: int, last: int) -> bool:
        """Return whether a comment on one of an expression's lines suppresses a code."""
        return any(code in self._codes.get(line, ()) for line in range(first, last + 1))
