"""Small virtual environments with our wheel, its dependencies and a made-up diffusers; making one takes milliseconds.

They are made of symbolic links to one folder in the cache, so that a situation may spoil its own as it likes: `own` turns
a link into a copy that may be changed.
"""

from __future__ import annotations

import compileall
import os
import shutil
import sys
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackagePath, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from syncfree.fingerprints._fingerprint import fingerprint
from syncfree.fingerprints._releases import Releases, write_releases
from tests.environments import cache_root, content_key, made_once, wheel

HERE = Path(__file__).parent
SITE = HERE / "site"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
WANTED = ("pluggy", "packaging", "typer", "rich", "wrapt", "hypothesis")
"""Our dependencies, and what the situations use; their own dependencies come along."""
PLUGINS = ("acme", "other")


class Installation:
    """One environment.

    Attributes:
        home: its folder.
        site: its site-packages.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.site = home / "lib" / VERSION / "site-packages"
        self.site.mkdir(parents=True)
        (home / "bin").mkdir()
        base = Path(getattr(sys, "_base_executable", sys.executable))
        self.python.symlink_to(base)
        (home / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        for entry in _store().iterdir():
            if entry.name != ".complete":
                (self.site / entry.name).symlink_to(entry)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.home / "bin" / "python"

    @property
    def metadata(self) -> Path:
        """The folder of our own metadata, as a copy."""
        (found,) = self.site.glob("syncfree-*.dist-info")
        return self.own(found.name)

    def own(self, name: str) -> Path:
        """Turn an entry of site-packages into a copy of this environment's own."""
        path = self.site / name
        if path.is_symlink():
            source = path.resolve()
            path.unlink()
            if source.is_dir():
                shutil.copytree(source, path)
            else:
                shutil.copy2(source, path)
        return path

    def own_folder(self, name: str) -> Path:
        """Turn a folder into one of links to what is in it: any of them may be removed, none may be written to."""
        path = self.site / name
        source = path.resolve()
        path.unlink()
        path.mkdir()
        for entry in source.iterdir():
            (path / entry.name).symlink_to(entry)
        return path

    def remove(self, name: str) -> None:
        """Remove an entry of site-packages."""
        path = self.own(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def add(self, files: Mapping[str, str | bytes]) -> None:
        """Write files into site-packages."""
        for name, content in files.items():
            path = self.site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())

    def distribution(self, name: str, points: Mapping[str, Iterable[str]], version: str = "1.0") -> None:
        """Write the metadata of a distribution: its entry points by group, each ``name = value``."""
        self.add(metadata(name, points, version))


def metadata(name: str, points: Mapping[str, Iterable[str]], version: str = "1.0") -> dict[str, str]:
    """The files of a distribution's metadata."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    text = "".join(f"[{group}]\n" + "".join(f"{line}\n" for line in lines) for group, lines in points.items())
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{folder}/entry_points.txt": text,
    }


@cache
def _store() -> Path:
    """The folder that the links lead to: everything compiled, because processes of a millisecond have no time for that."""
    key = content_key([wheel().read_bytes(), Path(__file__), SITE])

    def make(target: Path) -> None:
        with zipfile.ZipFile(wheel()) as archive:
            archive.extractall(target)
        for name in _with_dependencies(WANTED):
            _copy(name, target)
        shutil.copytree(SITE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        for name in PLUGINS:
            _write(target, metadata(name, {"syncfree": [f"{name} = {name}"]}))
        _write(target, metadata("diffusers", {}, "9.1"))
        _adapt(target)
        compileall.compile_dir(target, quiet=2, workers=1)

    return made_once(cache_root() / "hostile" / key, make)


def _with_dependencies(names: Iterable[str]) -> set[str]:
    """These distributions and all that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            needed = map(Requirement, distribution(name).requires or [])
            waiting += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _copy(name: str, target: Path) -> None:
    """Copy an installed distribution's files of site-packages."""
    found = distribution(name)
    for file in found.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            copy = target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PackagePath.locate(file), copy)


def _write(target: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(text)


def _adapt(target: Path) -> None:
    """Make the made-up diffusers the one that our adapter of that name is for, and record its functions."""
    (target / "syncfree" / "adapters" / "diffusers" / "__init__.py").write_text("from hostile_adapter import ADAPTER\n")
    names = {"work": ("progress", "reduce"), "more": ("Sampler.gather",), "late": ("Pipe.finish", "Pipe.made")}
    seen = {}
    for module, functions in names.items():
        source = (SITE / "diffusers" / f"{module}.py").read_text()
        for name in functions:
            record = fingerprint(source, name)
            assert record is not None
            seen[f"diffusers.{module}:{name}"] = {"9.1": record}
    write_releases(target / "hostile_adapter" / "releases.json", Releases("diffusers", ("9.1",), seen, {}))


def variables(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a situation: nothing of the person who runs the tests but what an interpreter needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    ours = {"HOSTILE_FOLDER": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    return kept | ours | more
