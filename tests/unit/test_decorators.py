"""Decorators of a definition, read from the line that its code object names."""

from __future__ import annotations

import pytest

from syncfree._decorators import decorators
from syncfree.fingerprints._definitions import SourceUnreadable

SOURCE = """
import functools
def keep(f, by=0): return f

@keep
# a comment between them
@(
    keep
)
def two(): ...
@(

  functools.partial(keep, by=max((keep, id), key=id).__name__))
async  def one(): ...
class Known:
    @functools.lru_cache(
maxsize=None,
    )
    def wrapped(self): return "def not_this(): ..."
    if True:
        @staticmethod
        def static(): ...
    @property
    def read(self): return 1
    @read.setter
    def read(self, value): ...
    def bare(self): ...
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("keep", []),
        ("two", [["keep"], ["keep"]]),
        ("one", [["functools.partial", "keep", "max", "keep", "id", "id"]]),
        ("Known.wrapped", [["functools.lru_cache"]]),
        ("Known.static", [["staticmethod"]]),
        ("Known.read", [["read.setter"]]),
        ("Known.bare", []),
    ],
)
def test_the_decorators_of_a_definition_are_found_from_the_line_of_its_code(name: str, expected: list[list[str]]) -> None:
    names: dict[str, object] = {}
    exec(compile(SOURCE, "made_up", "exec"), names)
    found = names[name.split(".")[0]]
    for part in name.split(".")[1:]:
        found = vars(found)[part]
    for attribute in ("__wrapped__", "fset"):
        found = getattr(found, attribute, found)
    line = found.__code__.co_firstlineno  # type: ignore[attr-defined]
    assert decorators(SOURCE.split("\n"), line) == expected


@pytest.mark.parametrize("source", ["@keep\nclass NotOne: ...", "@keep", "@(\ndef broken(): ...", "@keep\nx = '''"])
def test_a_line_without_a_definition_is_an_error(source: str) -> None:
    with pytest.raises(SourceUnreadable):
        decorators(source.split("\n"), 1)
