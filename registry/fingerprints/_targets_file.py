"""The file of ``syncfree drift``: which functions of which distributions to follow, through which releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .. import _toml
from .._errors import SelectionError, nearest

_KEYS = ("distributions", "releases", "reviewed", "targets")


@dataclass(frozen=True, slots=True)
class Watched:
    """One table of the file.

    Attributes:
        name: the table's name, for the report.
        distributions: the names on the package index that carry these sources, preferred first; by default the table's.
        releases: which releases to read.
        reviewed: what happened up to this release is known; changes after it are findings. None: all are.
        targets: the functions, as ``package.module:Class.function``.
    """

    name: str
    distributions: tuple[str, ...]
    releases: SpecifierSet
    reviewed: str | None
    targets: tuple[str, ...]


def read_targets(path: Path) -> list[Watched]:
    """Read the file.

    Raises:
        SelectionError: it cannot be read, or something in it is wrong; one message lists everything.
    """
    try:
        data = _toml.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SelectionError(f"syncfree: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SelectionError(f"syncfree: {path} is not TOML: {error}") from error
    problems = [f"[{name}] {problem}" for name, table in data.items() for problem in _problems(table)]
    if not data:
        problems.append("it has no table such as [vllm]")
    if problems:
        raise SelectionError(f"syncfree: {path}: " + "; ".join(problems))
    return [_watched(name, table) for name, table in data.items()]


def _watched(name: str, table: dict[str, Any]) -> Watched:
    return Watched(
        name,
        tuple(table.get("distributions", [name])),
        SpecifierSet(table.get("releases", "")),
        table.get("reviewed"),
        tuple(dict.fromkeys(table["targets"])),
    )


def _problems(table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "is not a table with targets"
        return
    for key in table:
        if key not in _KEYS:
            yield f"unknown key {key!r}{nearest(key, _KEYS)}"
    for key in ("distributions", "targets"):
        value = table.get(key, [] if key == "distributions" else None)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or (key == "targets" and not value):
            yield f"{key} is not a list of strings"
        elif key == "targets":
            wrong = [one for one in value if not _is_function(one)]
            yield from (f"{one!r} is not 'package.module:Class.function'" for one in wrong)
    for key in ("releases", "reviewed"):
        if not isinstance(table.get(key, ""), str):
            yield f"{key} is not a string"
    try:
        SpecifierSet(table.get("releases", "") if isinstance(table.get("releases", ""), str) else "")
    except InvalidSpecifier:
        yield f"releases is {table['releases']!r}; a range is written like '>=0.30,<0.34'"


def _is_function(target: str) -> bool:
    module, colon, qualname = target.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *qualname.split(".")))
