"""Small wheels, and a package index made of a folder, reached through the real pip."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest


def make_wheel(folder: Path, project: str, version: str, files: dict[str, str]) -> Path:
    """Write a wheel that pip accepts, with these files and a large one that is no source."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{project}-{version}-py3-none-any.whl"
    info = f"{project}-{version}.dist-info"
    content = {
        **files,
        f"{project}/kernels.so": "0" * 100_000,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return path


def use_index(monkeypatch: pytest.MonkeyPatch, wheels: Path, cache: Path) -> None:
    """Let pip see the wheels of this folder and nothing else, and keep what is read in ``cache``."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
