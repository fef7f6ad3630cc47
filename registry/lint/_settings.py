"""The settings of the lint: the table ``[tool.syncfree.lint]`` of pyproject.toml, and the options of the command line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from .. import _toml
from .._errors import SelectionError, nearest
from ._codes import CODES

DECORATORS = ("syncfree.hookimpl", "hookimpl")
"""Those of implementations of hooks, which run on the hot path."""


class LintError(SelectionError):
    """A setting is wrong, or a file cannot be checked."""

    page = "docs/lint.md"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the lint.

    Attributes:
        hot: patterns of ``package.module:Class.function``, as of ``fnmatch``, of functions in which waits are looked for.
        hot_decorators: decorators of such functions, as they are written there.
        ignore: codes that are not reported.
        exclude: patterns of paths, from the folder of pyproject.toml, that are not checked.
    """

    hot: tuple[str, ...] = ()
    hot_decorators: tuple[str, ...] = DECORATORS
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for code in self.ignore:
            if code not in CODES:
                raise LintError(f"unknown code {code!r}{nearest(code, CODES)}")
        for pattern in self.hot:
            if ":" not in pattern and pattern != "*":
                raise LintError(f"hot: {pattern!r} is no 'package.module:Class.function'; after ':' a * stands for all functions of it")


def find_file(start: Path) -> Path | None:
    """Return the pyproject.toml of a folder or of the nearest one above it that has one."""
    start = start.resolve()
    return next((found for folder in (start, *start.parents) if (found := folder / "pyproject.toml").is_file()), None)


def read(file: Path) -> Settings:
    """Read ``[tool.syncfree.lint]``; without it, the defaults.

    Raises:
        LintError: the file cannot be read, or the table has an unknown key or a value of the wrong type.
    """
    try:
        table = _toml.loads(file.read_text("utf-8")).get("tool", {}).get("syncfree", {}).get("lint", {})
    except (OSError, ValueError) as error:
        raise LintError(f"{file} cannot be read: {error}") from error
    known = {field.name.replace("_", "-"): field.name for field in fields(Settings)}
    found: dict[str, tuple[str, ...]] = {}
    for key, value in table.items():
        where = f"{file}: [tool.syncfree.lint]"
        if key not in known:
            raise LintError(f"{where}: unknown key {key!r}{nearest(key, known)}")
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise LintError(f"{where}: {key} must be a list of strings")
        found[known[key]] = tuple(value)
    if "hot_decorators" in found:
        found["hot_decorators"] = (*DECORATORS, *found["hot_decorators"])
    try:
        return Settings(**found)
    except LintError as error:
        raise LintError(f"{file}: [tool.syncfree.lint]: {error}") from error
