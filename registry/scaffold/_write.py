"""Write a package: all of its files, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from .._errors import SelectionError


def rendered(kind: str, layout: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each file of a package by its path.

    Args:
        kind: the folder of ``templates``.
        layout: the path of each file, which may have ``$name`` in it, and its template without ``.txt``.
        values: what the names that begin with ``$`` stand for.
    """
    folder = files(__package__) / "templates" / kind
    return {
        Template(path).substitute(values): Template((folder / f"{template}.txt").read_text("utf-8")).substitute(values)
        for path, template in layout.items()
    }


def check_target(target: Path) -> None:
    """Refuse a folder that exists, or that has no folder to be in.

    Raises:
        SelectionError: one of the two.
    """
    if os.path.lexists(target):
        raise SelectionError(f"{target} exists already: remove it, or give another folder with --to")
    if not target.parent.is_dir():
        raise SelectionError(f"{target.parent} is no folder: make it, or give another one with --to")


def write(target: Path, texts: Mapping[str, str]) -> None:
    """Write a folder with these files, which does not exist yet; it appears complete or not at all.

    Raises:
        SelectionError: it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as home:
            made = Path(home) / target.name
            for path, text in texts.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
            shutil.copymode(target.parent, made)
            made.rename(target)
    except OSError as error:
        raise SelectionError(f"{target} cannot be written: {error.strerror}") from error
