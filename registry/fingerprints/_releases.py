"""The recorded functions of each release, which bindings are judged by.

``syncfree fingerprint`` writes ``releases.json`` beside an adapter, from real wheels. For each target it lists the distinct
bodies and the releases with each, and for each source file its hashes, so that a file that equals a recorded one byte for
byte need not be parsed. A checksum over the content detects edits by hand.
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
"""Records by target, then release; a release without the target is left out."""
Files = Mapping[str, Mapping[str, str]]
"""By module, then hash of its source: one release that had exactly this source."""


class ReleaseDataError(SyncfreeError):
    """A release data file is missing, was edited by hand, or has another format."""

    page = "docs/fingerprints.md"


@dataclass(frozen=True, slots=True)
class Releases:
    """The recorded releases of a framework, and the records of each target in them."""

    framework: str
    names: tuple[str, ...]
    seen: Seen
    files: Files = field(default_factory=dict)

    def releases(self) -> tuple[str, ...]:
        """Return the recorded releases, oldest first."""
        return self.names

    def targets(self) -> tuple[str, ...]:
        """Return the targets that were recorded."""
        return tuple(self.seen)

    def record(self, target: str, release: str) -> FunctionRecord | None:
        """Return the record of a target in a release; None when that release does not have it."""
        return self.seen.get(target, {}).get(release)

    def same_source(self, module: str, text: str) -> str | None:
        """Return a recorded release that had a module with exactly this source text; None if no release had."""
        hashes = self.files.get(module)
        return hashes.get(hash_of(text)) if hashes else None


def hash_of(text: str) -> str:
    """Return the hash of a source text."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def folder_of(home: str) -> Path:
    """Return the folder of a package, such as ``syncfree.adapters.vllm``.

    Raises:
        ReleaseDataError: it is not a package, or importing its parent packages failed.
    """
    try:
        module = sys.modules.get(home)
        if module is None:
            spec = importlib.util.find_spec(home)  # imports its parent packages
            folders = list(spec.submodule_search_locations or ()) if spec is not None else []
        else:
            folders = list(getattr(module, "__path__", ()))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ReleaseDataError(f"{home} is not a package that can be found: {describe_error(error)}") from error
    if not folders:
        raise ReleaseDataError(f"{home} is not a package, so it has no {FILE_NAME}")
    return Path(folders[0])


def load_releases(home: str) -> Releases:
    """Return the release data in the folder of a package, such as ``syncfree.adapters.vllm``.

    Raises:
        ReleaseDataError: see `read_releases`, or the package has no folder.
    """
    return read_releases(folder_of(home) / FILE_NAME)


@lru_cache
def read_releases(path: Path) -> Releases:
    """Read and check a release data file.

    Raises:
        ReleaseDataError: the file is missing, has another format, or its checksum does not match its content.
    """
    again = "run `syncfree fingerprint` to write it from the wheels"
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReleaseDataError(f"{path} cannot be read ({one_line(error)}); {again}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ReleaseDataError(f"{path} is not of format {FORMAT}; {again}")
    if data.get("checksum") != _checksum(data):
        raise ReleaseDataError(f"{path} was changed by hand: its checksum does not match its content; {again}")
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
