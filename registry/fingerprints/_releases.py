"""What each release's functions looked like: the data that judging compares with.

``releases.json`` lies beside an adapter and is written by ``syncfree fingerprint``, which reads real wheels. For each target
it lists the bodies that were seen and the releases that had each, for each source file what it hashed to: a file that is
byte for byte one that was read need not be parsed to know what is in it. A checksum over the content catches a hand edit.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.version import Version

from .._errors import SyncfreeError, describe_error, one_line
from ._fingerprint import FunctionRecord

FORMAT = 1
FILE_NAME = "releases.json"
Seen = Mapping[str, Mapping[str, FunctionRecord]]
"""Target, then release, then what it was; a release without the target is left out."""
Files = Mapping[str, Mapping[str, str]]
"""Module, then what its source hashed to, then one release that had exactly this source."""


class ReleaseDataError(SyncfreeError):
    """A release data file that is missing, edited by hand, or of another format."""


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of a framework that were read, and what each target looked like in them."""

    framework: str
    names: tuple[str, ...]
    seen: Seen
    files: Files = field(default_factory=dict)

    def releases(self) -> tuple[str, ...]:
        """The releases that were read, oldest first."""
        return self.names

    def targets(self) -> tuple[str, ...]:
        """The functions that were looked for."""
        return tuple(self.seen)

    def record(self, target: str, release: str) -> FunctionRecord | None:
        """What a target looked like in a release; None when that release does not have it."""
        return self.seen.get(target, {}).get(release)

    def same_source(self, module: str, text: str) -> str | None:
        """A release that had a module with exactly this source text; None when none is known."""
        hashes = self.files.get(module)
        return hashes.get(hash_of(text)) if hashes else None


def hash_of(text: str) -> str:
    """What a source text is known by."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def folder_of(home: str) -> Path:
    """The folder of a package, such as ``syncfree.adapters.vllm``.

    Raises:
        ReleaseDataError: it is not a package, or cannot be imported as far as its folder is known.
    """
    try:
        module = sys.modules.get(home)
        if module is None:
            spec = importlib.util.find_spec(home)  # imports the packages that it lies in
            folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        else:
            folders = list(getattr(module, "__path__", ()))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ReleaseDataError(f"{home} is not a package that can be found: {describe_error(error)}") from error
    if not folders:
        raise ReleaseDataError(f"{home} is not a package, so there is no {FILE_NAME} beside it")
    return Path(folders[0])


def load_releases(home: str) -> Releases:
    """The release data in the folder of a package, such as ``syncfree.adapters.vllm``.

    Raises:
        ReleaseDataError: see `read_releases`, or the package has no folder.
    """
    return read_releases(folder_of(home) / FILE_NAME)


@lru_cache
def read_releases(path: Path) -> Releases:
    """Read and check a release data file.

    Raises:
        ReleaseDataError: the file is missing, is not of this format, or its checksum is not that of its content.
    """
    again = "run `syncfree fingerprint` to write it from the wheels"
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReleaseDataError(f"{path} cannot be read ({one_line(error)}); {again}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ReleaseDataError(f"{path} is not of format {FORMAT}; {again}")
    if data.get("checksum") != _checksum(data):
        raise ReleaseDataError(f"{path} was changed by hand: its checksum is not that of its content; {again}")
    try:
        for release in data["releases"]:
            Version(release)
        return Releases(data["framework"], tuple(data["releases"]), _unpack(data["targets"]), dict(data.get("files", {})))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReleaseDataError(f"{path} is not of format {FORMAT}: {describe_error(error)}; {again}") from error


def write_releases(path: Path, releases: Releases) -> None:
    """Write a release data file, sorted, so that two runs over the same wheels give the same bytes."""
    names = sorted(set(releases.names), key=Version)
    data: dict[str, Any] = {
        "format": FORMAT,
        "framework": releases.framework,
        "releases": names,
        "targets": {target: _pack(releases.seen[target], names) for target in sorted(releases.seen)},
        "files": {module: _sorted(releases.files[module]) for module in sorted(releases.files)},
    }
    data = {"checksum": _checksum(data), **data}
    path.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    read_releases.cache_clear()


def _sorted(hashes: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(hashes.items(), key=lambda item: (Version(item[1]), item[0])))


def _checksum(data: Mapping[str, Any]) -> str:
    content = {key: value for key, value in data.items() if key != "checksum"}
    return "sha256:" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _pack(seen: Mapping[str, FunctionRecord], names: list[str]) -> list[dict[str, Any]]:
    bodies: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if name in seen:
            bodies.setdefault((seen[name].fingerprint, seen[name].signature), []).append(name)
    return [{"fingerprint": f, "signature": s, "releases": having} for (f, s), having in bodies.items()]


def _unpack(targets: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, FunctionRecord]]:
    found: dict[str, dict[str, FunctionRecord]] = {}
    for target, bodies in targets.items():
        found[target] = {}
        for body in bodies:
            record = FunctionRecord(body["signature"], body["fingerprint"])
            found[target] |= dict.fromkeys(body["releases"], record)
    return found
