"""The installed distributions, each read by itself: a damaged one is reported and does not affect the others.

``importlib.metadata.entry_points()`` fails as a whole when the metadata of any one distribution cannot be read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, DistributionFinder
from pathlib import PurePath
from typing import Any

from ._errors import describe_error, one_line, or_default

ENTRY_POINTS = "entry_points.txt"


class Unreadable(Exception):
    """A file of a distribution's metadata exists and cannot be read; the message is the reason."""


def distributions(problems: list[tuple[str, str]], **context: Any) -> Iterator[Distribution]:
    """Yield every distribution that the finders of ``sys.meta_path`` know, in their order.

    Args:
        problems: gets the name of each finder that fails, and why.
        context: ``name`` and ``path``, as of `importlib.metadata.DistributionFinder.Context`; by default everything.
    """
    context.setdefault("path", [entry for entry in sys.path if isinstance(entry, str)])
    for finder in list(sys.meta_path):
        found: list[Distribution] = []
        try:
            find = getattr(finder, "find_distributions", None)
            found.extend(find(DistributionFinder.Context(**context)) if find is not None else ())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a foreign finder may raise anything; it is reported
            problems.append((f"the distributions of {one_line(type(finder).__qualname__)} on sys.meta_path", describe_error(error)))
        yield from found


def with_entry_points(problems: list[tuple[str, str]]) -> Iterator[tuple[str, Distribution, str | Unreadable]]:
    """Yield each distribution with an entry point file: canonical name, distribution, and the text or why it is unreadable.

    The first of several distributions of one name counts, unless it is an empty folder, which an interrupted installation
    leaves behind.
    """
    settled: set[str] = set()
    without: dict[str, Distribution] = {}
    for distribution in distributions(problems):
        name = canonical_name(distribution)
        if name in settled or name.startswith("~"):  # pip's name for what it is about to remove
            continue
        if name in without and _has_metadata(without[name]):
            settled.add(name)
            continue
        text = _entry_points_of(distribution)
        if text is None:
            without[name] = distribution
        else:
            settled.add(name)
            yield name, distribution, text


def name_and_version(distribution: Distribution) -> tuple[str, str | None]:
    """Return a distribution's name and version from METADATA, or else from its folder's name."""
    nothing: list[object] = ["", ""]

    def read() -> list[object]:
        folder = _folder(distribution)
        if folder is not None and _is_special(os.path.join(folder, "METADATA")):
            return nothing
        metadata = distribution.metadata
        return [metadata[header] for header in ("Name", "Version")]

    found = [one_line(text) if isinstance(text, str) else "" for text in or_default(read, nothing)]
    name, version = _from_folder(distribution)
    return found[0] or name or "a distribution without a name", found[1] or version or None


def described(distribution: Distribution) -> str:
    """Return a distribution's name and version, for messages."""
    name, version = name_and_version(distribution)
    return f"{name} {version or '(unknown version)'}"


def canonical_name(distribution: Distribution) -> str:
    """Return a distribution's normalized name, from the folder's name where possible, because reading METADATA is slow."""
    name = _from_folder(distribution)[0] or name_and_version(distribution)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _entry_points_of(distribution: Distribution) -> str | Unreadable | None:
    try:
        folder = _folder(distribution)
        if folder is not None and not _has_entry_points(folder):
            return None
        text: object = distribution.read_text(ENTRY_POINTS)
    except KeyboardInterrupt:
        raise
    except Unreadable as error:
        return error
    except BaseException as error:  # noqa: BLE001 - not UTF-8, an I/O error, or a foreign subclass of Distribution
        return Unreadable(f"its {ENTRY_POINTS} cannot be read: {describe_error(error)}")
    if isinstance(text, str) or (text is None and folder is None):
        return text
    return Unreadable(f"its {ENTRY_POINTS} cannot be read")


def _has_entry_points(folder: str) -> bool:
    """Return whether a metadata folder has an entry point file; raises `Unreadable` for one that must not be opened."""
    file = os.path.join(folder, ENTRY_POINTS)
    try:
        os.stat(file)
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        if folder.endswith(".egg-info"):
            return False  # distutils wrote a single file
        raise Unreadable(f"{folder} is not a folder") from error
    if _is_special(file):
        raise Unreadable(f"{file} is not a file")
    if not os.access(file, os.R_OK):
        raise Unreadable(f"{file} must not be read by this user")
    return True


def _has_metadata(distribution: Distribution) -> bool:
    """Return whether METADATA exists, also when it cannot be decoded."""
    return or_default(lambda: any(distribution.read_text(name) for name in ("METADATA", "PKG-INFO", "")), True)


def _is_special(file: str) -> bool:
    """Return whether a path exists and is not a regular file: opening a named pipe would block until it has a writer."""
    return os.path.exists(file) and not os.path.isfile(file)


def _folder(distribution: Distribution) -> str | None:
    """Return the ``.dist-info`` of a distribution on disk; None for one in an archive or from a foreign finder."""
    path: object = or_default(lambda: getattr(distribution, "_path", None), None)
    return os.fspath(path) if isinstance(path, PurePath) else None


def _from_folder(distribution: Distribution) -> tuple[str, str]:
    """Return name and version as in ``name-version.dist-info``; empty strings where the folder is not named so."""
    stem, _, kind = os.path.basename(_folder(distribution) or "").rpartition(".")
    if kind not in ("dist-info", "egg-info"):
        return "", ""
    name, _, version = stem.partition("-")
    return one_line(name), one_line(version.partition("-")[0])
