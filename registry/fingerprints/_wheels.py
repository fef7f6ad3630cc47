"""The Python sources of a framework's releases: from a wheel, an unpacked wheel, or the package index.

The index is accessed through pip, so that pip's configuration (mirrors, certificates, credentials) applies. Of a downloaded
wheel only the Python sources are kept, in the user's cache: the CUDA wheels of vLLM have hundreds of megabytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from bisect import bisect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from .._errors import SelectionError, SyncfreeError

_DAMAGE = (OSError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError, EOFError, NotImplementedError)
"""The errors that reading a damaged zip file raises; the last one for a compression method that does not exist."""


class FetchError(SyncfreeError):
    """A release could not be fetched from the package index."""

    page = "docs/fingerprints.md"


@dataclass(frozen=True, slots=True)
class Sources:
    """The Python sources of one release.

    Attributes:
        distribution: the normalized name of the distribution that was read.
        release: its version, without a local part (``+cpu``).
        path: a zip file (a wheel is one) or a folder that holds the top-level package.
    """

    distribution: str
    release: str
    path: Path

    def texts(self, modules: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield each of these modules that the release has, with its source text.

        Raises:
            SelectionError: a file is damaged or cannot be read.
        """
        with self._readable() as root:
            yield from _texts(root, modules)

    def modules_of(self, package: str, containing: str) -> Iterator[tuple[str, str]]:
        """Yield every module of a package whose source contains a text, with that source.

        Raises:
            SelectionError: a file is damaged or cannot be read.
        """
        with self._readable() as root:
            for name, file in sorted(_files(root.joinpath(package), package)):
                source = file.read_text(encoding="utf-8", errors="replace")
                if containing in source:
                    yield name, source

    @contextmanager
    def _readable(self) -> Iterator[Path | zipfile.Path]:
        try:
            if self.path.is_dir():
                yield self.path
            else:
                with zipfile.ZipFile(self.path) as archive:
                    yield zipfile.Path(archive)
        except _DAMAGE as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SelectionError(f"{self.path} cannot be read: {reason}; delete it, and download it again") from error


def _texts(root: Path | zipfile.Path, modules: Iterable[str]) -> Iterator[tuple[str, str]]:
    for module in modules:
        *parents, last = module.split(".")
        for file in (root.joinpath(*parents, f"{last}.py"), root.joinpath(*parents, last, "__init__.py")):
            if file.is_file():
                yield module, file.read_text(encoding="utf-8")
                break


def _files(folder: Path | zipfile.Path, module: str) -> Iterator[tuple[str, Path | zipfile.Path]]:
    """Yield the Python files below a package's folder, with the names of their modules."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{module}.{entry.name}")
        elif entry.name == "__init__.py":
            yield module, entry
        elif entry.name.endswith(".py"):
            yield f"{module}.{entry.name.removesuffix('.py')}", entry


def open_wheel(path: Path) -> Sources:
    """Read a wheel file, or a folder into which one was unpacked.

    Raises:
        SelectionError: the path does not exist, or is neither.
    """
    if path.is_dir():
        return _unpacked(path)
    if not path.is_file():
        raise SelectionError(f"the wheel {path} does not exist")
    try:
        project, number, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise SelectionError(f"{path} is not a wheel: {error}") from error
    if not zipfile.is_zipfile(path):
        raise SelectionError(f"{path} is named like a wheel but is not a zip file; download it again")
    return Sources(project, number.public, path)


def _unpacked(folder: Path) -> Sources:
    named = [entry.stem for entry in sorted(folder.glob("*.dist-info"))]
    if len(named) != 1:
        raise SelectionError(f"{folder} is not an unpacked wheel: it has {len(named)} *.dist-info folders instead of one")
    name, _, version = named[0].rpartition("-")
    try:
        return Sources(canonicalize_name(name), public(version), folder)
    except InvalidVersion as error:
        raise SelectionError(f"{folder} is not an unpacked wheel: {named[0]}.dist-info names no version") from error


def public(version: str | Version) -> str:
    """Return the release of a version: ``0.32.0`` of ``0.32.0+cpu``."""
    return Version(str(version)).public


def cache_folder() -> Path:
    """Return the folder for the sources of downloaded releases: ``syncfree/sources`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "syncfree" / "sources"


class Index:
    """The releases that pip finds of some distributions with the same sources, preferred distribution first."""

    def __init__(self, distributions: Iterable[str], cache: Path | None = None) -> None:
        self.distributions = [canonicalize_name(name) for name in distributions]
        self._cache = cache_folder() if cache is None else cache
        self._listed: dict[str, list[str]] = {}

    def releases(self) -> list[str]:
        """Return every release that one of the distributions has, without pre-releases, oldest first."""
        found = {release for name in self.distributions for release in self._list(name)}
        return sorted(found, key=Version)

    def sources(self, release: str) -> Sources:
        """Return the sources of a release: from the cache, or downloaded.

        Raises:
            SelectionError: no distribution has it.
            FetchError: pip failed, or the cache cannot be written.
        """
        for name in self.distributions:
            kept = self._cache / f"{name}-{release}.zip"
            if kept.is_file():
                return Sources(name, release, kept)
        for name in self.distributions:
            if release in self._list(name):
                return self._download(name, release)
        known = self.releases()
        at = bisect(known, Version(release), key=Version)
        around = ", ".join(known[max(at - 2, 0) : at + 2])
        raise SelectionError(f"{' and '.join(self.distributions)}: no release {release!r}; the nearest are {around}")

    def _list(self, name: str) -> list[str]:
        if name not in self._listed:
            mark = "Available versions:"
            lines = [line for line in _pip("index", "versions", name).splitlines() if line.startswith(mark)]
            if not lines:
                raise FetchError(f"`pip index versions {name}` did not list any version; give wheels with --wheel")
            self._listed[name] = [public(version.strip()) for version in lines[0].removeprefix(mark).split(",")]
        return self._listed[name]

    def _download(self, name: str, release: str) -> Sources:
        target = self._cache / f"{name}-{release}.zip"
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
                _pip("download", "--no-deps", "--only-binary", ":all:", "--dest", scratch, f"{name}=={release}")
                (wheel,) = Path(scratch).glob("*.whl")
                kept = Path(scratch, "sources.zip")
                _keep_sources(wheel, kept)
                kept.replace(target)  # atomically: another process may read it
        except OSError as error:
            raise FetchError(
                f"{self._cache} cannot hold the sources of {name} {release}: {error.strerror}; make room or set XDG_CACHE_HOME to "
                "another folder, or give wheels with --wheel"
            ) from error
        except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise FetchError(f"the wheel that pip downloaded of {name} {release} is damaged: {error}; try again") from error
        return Sources(name, release, target)


def _keep_sources(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as full, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as reduced:
        for member in full.namelist():
            if member.endswith(".py"):
                reduced.writestr(member, full.read(member))


def _pip(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "no error message").splitlines()[-1]
        raise FetchError(f"`pip {' '.join(arguments)}` failed: {last}")
    return done.stdout
