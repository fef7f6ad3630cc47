"""The content of the wheel, which does not depend on how it was built."""

from __future__ import annotations

import subprocess
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.environments import build, copy_sources, python_of, wheel

ROOT = Path(__file__).parents[2]
FOLDERS = {"registry": "syncfree", "plugins": "syncfree/plugins", "adapters": "syncfree/adapters"}
SITE_FILES = {"syncfree.pth", "_syncfree_site.py"}
DATA = {".cpp", ".h", ".json", ".txt", ".typed"}
"""Endings of the files that are shipped beside Python's."""


def members(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def metadata_folder(archive: Path) -> str:
    return archive.name.removesuffix("-py3-none-any.whl") + ".dist-info"


def sources() -> set[str]:
    """Every file of the three folders under the name that it is to have in site-packages."""
    return {
        f"{package}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and not {"__pycache__", "_site"} & set(file.parts)
    }


def test_holds_every_source_file_and_nothing_else() -> None:
    metadata = metadata_folder(wheel())
    code = {name for name in members(wheel()) if not name.startswith(f"{metadata}/")}
    assert code == sources() | SITE_FILES


def test_holds_only_the_expected_kinds_of_files() -> None:
    metadata = metadata_folder(wheel())
    others = {name for name in members(wheel()) if not name.endswith(".py")}
    assert {name for name in others if Path(name).suffix not in DATA} - {"syncfree.pth"} == {
        f"{metadata}/METADATA",
        f"{metadata}/RECORD",
        f"{metadata}/WHEEL",
        f"{metadata}/licenses/LICENSE",
    }
    assert f"{metadata}/entry_points.txt" in others


def test_every_package_says_that_it_is_typed() -> None:
    assert {f"{package}/py.typed" for package in FOLDERS.values()} <= members(wheel())


def test_core_dependencies_are_few_and_have_no_upper_bound() -> None:
    with zipfile.ZipFile(wheel()) as opened:
        message = Parser().parsestr(opened.read(f"{metadata_folder(wheel())}/METADATA").decode())
    needed = [line for line in message.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.split(">=")[0] for line in needed] == ["pluggy", "packaging", "tomli", "typer", "rich"]
    assert not any(mark in line.split(";")[0] for line in needed for mark in ("<", "==", "~="))


@pytest.fixture(scope="module")
def from_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from a source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    copy_sources(folder / "tree")
    command = [python_of(build("dev")), "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "tree"]
    finished = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = (folder / "dist").glob("*.whl")
    return built


def test_is_the_same_from_a_source_distribution(from_sdist: Path) -> None:
    assert members(from_sdist) == members(wheel())
