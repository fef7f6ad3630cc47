"""Find installed frameworks without importing them."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ._distributions import distributions, name_and_version
from ._errors import or_default
from .adapting import Adapter


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed framework: its version (None without metadata), and the folder of its top-level package."""

    adapter: Adapter
    version: Version | None
    distribution: str
    location: Path

    def __str__(self) -> str:
        return f"{self.adapter.framework} {self.version or 'of unknown version'}"

    def source(self, module: str) -> Path | None:
        """Return the source file of a module of this framework; None when there is none."""
        parts = module.split(".")
        base = self.location.joinpath(*parts[1:])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if os.path.isfile(path):  # False, too, without permission to look
                return path
        return None


def find_installed(adapter: Adapter) -> Installed | None:
    """Find an adapter's framework; None when it is not installed.

    The version is that of the distribution next to the package that would be imported: a release that ``PYTHONPATH`` puts
    first must not be judged by the metadata of another one later in ``sys.path``.
    """
    location = _location(adapter.package)
    if location is None:
        return None
    name, text = _beside(location, adapter) or _anywhere(adapter) or (adapter.package, None)
    try:
        version = Version(text or "")
    except InvalidVersion:
        version = None
    return Installed(adapter, version, name, location)


def _location(package: str) -> Path | None:
    """Return the folder of a package that is imported or would be; None when there is none."""

    def first_folder() -> Path | None:
        loaded = sys.modules.get(package)
        if loaded is None:
            spec = importlib.util.find_spec(package)  # for a top-level name this imports nothing
            folders = list(spec.submodule_search_locations or ()) if spec else []
        else:
            folders = list(getattr(loaded, "__path__", ()))
        return Path(folders[0]) if folders else None

    return or_default(first_folder, None)  # a package whose finder raises cannot be imported either


def _beside(location: Path, adapter: Adapter) -> tuple[str, str | None] | None:
    found: list[Distribution] = []
    for name in adapter.distributions:
        found += distributions([], name=name, path=[str(location.parent)])
    if len({name_and_version(distribution)[1] for distribution in found}) > 1:
        # One of them is a metadata-only alias: use the one that owns the package's files.
        found = [distribution for distribution in found if _owns(distribution, adapter.package)] or found
    return name_and_version(found[0]) if found else None


def _owns(distribution: Distribution, package: str) -> bool:
    return or_default(lambda: any(file.parts[:1] == (package,) for file in distribution.files or []), False)


def _anywhere(adapter: Adapter) -> tuple[str, str | None] | None:
    for name in adapter.distributions:
        for distribution in distributions([], name=name):
            return name, name_and_version(distribution)[1]
    return None
