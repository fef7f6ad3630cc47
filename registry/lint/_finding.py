"""One place in a source file where a code was found."""

from __future__ import annotations

from dataclasses import dataclass

from ._codes import CODES, Code


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One finding; sorted by place.

    Attributes:
        file: as it was given.
        line, column: of the expression, from 1.
        code: a key of `CODES`.
        function: the qualified name of the function it is in; empty at the top of a module.
        source: the line, without its indentation.
    """

    file: str
    line: int
    column: int
    code: str
    function: str = ""
    source: str = ""

    @property
    def about(self) -> Code:
        """The code's name, reason and replacement."""
        return CODES[self.code]

    def as_dict(self) -> dict[str, object]:
        """Return the finding with its reason and replacement, for JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "name": self.about.name,
            "function": self.function,
            "source": self.source,
            "reason": self.about.reason,
            "replacement": self.about.replacement,
        }
