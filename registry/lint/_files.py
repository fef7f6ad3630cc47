"""The files that paths name, their modules, and the findings in them."""

from __future__ import annotations

import tokenize
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from ._finding import Finding
from ._settings import LintError, Settings
from ._source import check_source


def files(paths: Iterable[Path], settings: Settings, root: Path) -> Iterator[Path]:
    """Yield the files that paths name: each as it is, and of a folder all that end in ``.py``, but for hidden folders.

    Args:
        root: the folder that ``settings.exclude`` counts from.

    Raises:
        LintError: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise LintError(f"{path} does not exist")
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in found:
            hidden = any(part.startswith(".") and part not in (".", "..") for part in file.relative_to(path).parts)
            if not hidden and not _excluded(file, settings, root):
                yield file


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
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        raise LintError(f"{file} cannot be checked: {error}") from error
