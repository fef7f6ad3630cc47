"""The package of a new adapter, with a stand-in for the framework, so that its tests pass before the real target is named."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .._errors import SelectionError
from .._version import __version__
from ..fingerprints._fingerprint import fingerprint
from ..fingerprints._releases import Releases, hash_of, write_releases
from ._write import rendered

RELEASE = "1.0.0"
"""The stand-in's."""
_FUNCTION = "to_picture"
_STAND_IN = "tests/stand_in"
_LAYOUT = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".github/workflows/test.yml": "test.yml",
    "src/$name/__init__.py": "__init__.py",
    "src/$name/postprocess.py": "postprocess.py",
    "tests/test_$name.py": "test.py",
    f"{_STAND_IN}/$package/__init__.py": "stand_in.py",
    f"{_STAND_IN}/$package/frames.py": "frames.py",
    f"{_STAND_IN}/$installed-{RELEASE}.dist-info/METADATA": "METADATA",
}


def adapter_files(name: str, package: str) -> dict[str, str]:
    """Return the files of an adapter, by path: a binding of ``postprocess`` to a function of the framework's stand-in.

    Args:
        name: the adapter's package.
        package: the framework's top-level package.

    Raises:
        SelectionError: the two have the same name.
    """
    if name == package:
        raise SelectionError(f"{name!r} is the framework's own package: an adapter needs another name, such as {name + '_syncfree'!r}")
    framework = package.replace("_", "-")
    values = {
        "name": name,
        "distribution": name.replace("_", "-"),
        "package": package,
        "framework": framework,
        "installed": package,
        "release": RELEASE,
        "version": __version__,
    }
    texts = rendered("adapter", _LAYOUT, values)
    source = texts[f"{_STAND_IN}/{package}/frames.py"]
    return {**texts, f"src/{name}/releases.json": _records(framework, f"{package}.frames", source)}


def _records(framework: str, module: str, source: str) -> str:
    """Return ``releases.json`` for the stand-in, as ``syncfree fingerprint`` writes it."""
    found = fingerprint(source, _FUNCTION)
    assert found is not None
    seen = {f"{module}:{_FUNCTION}": {RELEASE: found}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "releases.json"
        write_releases(file, Releases(framework, (RELEASE,), seen, {module: {hash_of(source): RELEASE}}))
        return file.read_text("utf-8")
