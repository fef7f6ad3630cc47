"""The files that paths name, their modules, and the findings in them."""

from __future__ import annotations

import os
import tokenize
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ._finding import Finding
from ._settings import LintError, Settings
from ._source import check_source


def files(paths: Iterable[Path], settings: Settings, root: Path) -> Iterator[Path]:
    """Yield the files that paths name: each as it is, and of a folder all that end in ``.py``, but for hidden folders.

    In a folder, what is no regular file (a FIFO, a socket, a folder named like a module) is not source code and left out. A folder
    that cannot be read is yielded itself, and `check_file` says why.

    Args:
        root: the folder that ``settings.exclude`` counts from.

    Raises:
        LintError: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise LintError(f"{path} does not exist")
        for file in _in_folder(path) if path.is_dir() else [path]:
            if not _excluded(file, settings, root):
                yield file


def _in_folder(folder: Path) -> list[Path]:
    found: list[Path] = []
    unreadable: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        there = [Path(where, name) for name in names if name.endswith(".py") and not name.startswith(".")]
        found += [file for file in there if file.is_file() or not file.exists()]  # a link to nothing is reported
    return sorted([*found, *(Path(error.filename) for error in unreadable)])


def _excluded(file: Path, settings: Settings, root: Path) -> bool:
    full = file.resolve()
    name = full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()
    return any(fnmatchcase(name, pattern) or name.startswith(f"{pattern.rstrip('/')}/") for pattern in settings.exclude)


def module_of(file: Path) -> str:
    """Return a file's dotted module name: with every folder above it that has an ``__init__.py``."""
    file = file.resolve()
    parts = [] if file.stem == "__init__" else [file.stem]
    for folder in file.parents:
        if not (folder / "__init__.py").is_file():
            break
        parts.insert(0, folder.name)
    return ".".join(parts)


def check_file(file: Path, settings: Settings | None = None) -> list[Finding]:
    """Return the findings in a file, as `check_source` does.

    Raises:
        LintError: it cannot be read, or this Python cannot parse it.
    """
    try:
        with tokenize.open(file) as opened:
            source = opened.read()
        return check_source(source, str(file), module_of(file), settings)
    except SyntaxError as error:
        line = "" if error.lineno is None else f":{error.lineno}"
        raise LintError(f"{file}{line} cannot be checked: {error.msg}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise LintError(f"{file} cannot be checked: {(isinstance(error, OSError) and error.strerror) or error}") from error
