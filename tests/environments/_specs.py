"""The definition of an environment: a TOML file for people and a lock file with the exact versions."""

from __future__ import annotations

import difflib
import platform
from dataclasses import dataclass
from pathlib import Path

import tomllib

from ._cache import cache_root, content_key

HERE = Path(__file__).parent
RECIPE = "1"
"""Part of every key: increase it when `_build.py` makes a different environment from the same files."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One environment.

    `base` names another environment whose packages this one uses. `requirements` are resolved with their dependencies,
    `without_dependencies` are not: their own dependencies are CUDA packages or pins that conflict. The lock file is installed
    alone, or `with_dependencies` that it does not pin. `packages` are folders of `packages/`, `scripts` files of `scripts/`
    that the new environment's Python runs last.
    """

    name: str
    base: str | None
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...]
    with_dependencies: bool
    packages: tuple[Path, ...]
    scripts: tuple[Path, ...]

    @property
    def source(self) -> Path:
        return HERE / "specs" / f"{self.name}.toml"

    @property
    def lock(self) -> Path:
        return HERE / "locks" / f"{self.name}.txt"

    @property
    def directory(self) -> Path:
        """The environment's folder, with a name that changes with its definition and with this Python."""
        python = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"
        base = "" if self.base is None else load(self.base).directory.name
        key = content_key((RECIPE, python, base, self.source, self.lock, *self.packages, *self.scripts))
        return cache_root() / f"{self.name}-{key}"


def names() -> list[str]:
    """Return the environments that can be built."""
    return sorted(file.stem for file in (HERE / "specs").glob("*.toml"))


def load(name: str) -> Spec:
    """Read a spec. Raises `ValueError` for a name or a key that does not exist."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no environment named {name!r}; known: {', '.join(names())}{hint}")
    data = tomllib.loads((HERE / "specs" / f"{name}.toml").read_text())
    known = {"base", "requirements", "without_dependencies", "with_dependencies", "packages", "scripts"}
    if unknown := set(data) - known:
        raise ValueError(f"specs/{name}.toml: unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    return Spec(
        name=name,
        base=data.get("base"),
        requirements=tuple(data["requirements"]),
        without_dependencies=tuple(data.get("without_dependencies", ())),
        with_dependencies=data.get("with_dependencies", False),
        packages=tuple(HERE / "packages" / package for package in data.get("packages", ())),
        scripts=tuple(HERE / "scripts" / script for script in data.get("scripts", ())),
    )
