"""What is installed, found without importing it."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.version import InvalidVersion, Version

from .adapting import Adapter


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed framework: its version (None when no metadata says it), and the folder of its top-level package."""

    adapter: Adapter
    version: Version | None
    distribution: str
    location: Path

    def __str__(self) -> str:
        return f"{self.adapter.framework} {self.version or 'of unknown version'}"

    def source(self, module: str) -> Path | None:
        """The source file of a module of this framework; None when there is none."""
        parts = module.split(".")
        base = self.location.joinpath(*parts[1:])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        return None


def find_installed(adapter: Adapter) -> Installed | None:
    """Find an adapter's framework; None when it is not installed.

    The version is that of the distribution beside the package that would be imported: a release that is put in front by
    ``PYTHONPATH`` must not be judged by the metadata of another one further back.
    """
    location = _location(adapter.package)
    if location is None:
        return None
    name, text = _beside(location, adapter) or _anywhere(adapter) or (adapter.package, "")
    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    return Installed(adapter, version, name, location)


def _location(package: str) -> Path | None:
    loaded = sys.modules.get(package)
    if loaded is not None:
        paths = list(getattr(loaded, "__path__", []))
    else:
        spec = importlib.util.find_spec(package)  # of a top-level name: imports nothing
        paths = list(spec.submodule_search_locations or []) if spec else []
    return Path(paths[0]) if paths else None


def _beside(location: Path, adapter: Adapter) -> tuple[str, str] | None:
    found: list[metadata.Distribution] = []
    for name in adapter.distributions:
        found += metadata.Distribution.discover(name=name, path=[str(location.parent)])
    if len({distribution.version for distribution in found}) > 1:
        # A metadata-only alias beside the real one: the one that owns the package's files counts.
        owners = [d for d in found if any(f.parts[:1] == (adapter.package,) for f in d.files or [])]
        found = owners or found
    return (found[0].name, found[0].version) if found else None


def _anywhere(adapter: Adapter) -> tuple[str, str] | None:
    for name in adapter.distributions:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
