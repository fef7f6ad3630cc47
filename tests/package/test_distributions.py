"""The source distribution and the wheel: reproducible, well-formed, and harmless in the environments of frameworks."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import build, copy_sources, python_of, wheel

from .conftest import Overlay

EPOCH = "1700000000"


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SYNCFREE"))}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment | variables)


def tool(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment for checking distributions."""
    return run(python_of(build("packaging")), "-m", *command)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders with the archives, each made from sources of another time in another folder: first sdist, then its wheel."""
    made = []
    for number in (1, 2):
        folder = tmp_path_factory.mktemp(f"built_{number}")
        copy_sources(folder / "tree")
        for file in (folder / "tree").rglob("*"):
            os.utime(file, (1_600_000_000 + number, 1_600_000_000 + number))
        dist = folder / "dist"
        done = run(
            python_of(build("dev")), "-m", "build", "--no-isolation", "--outdir", dist, folder / "tree", SOURCE_DATE_EPOCH=EPOCH
        )
        assert done.returncode == 0, done.stdout + done.stderr
        made.append(dist)
    return made


def test_two_builds_have_equal_archives(twice: list[Path]) -> None:
    first, second = map(digests, twice)
    assert len(first) == 2
    assert first == second


def test_a_source_distribution_has_one_time_and_no_owner(twice: list[Path]) -> None:
    (archive,) = twice[0].glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in opened.getmembers()} == {(int(EPOCH), 0, 0, "", "")}


def test_the_wheel_of_the_source_distribution_is_that_of_the_tree(twice: list[Path]) -> None:
    """Its RECORD has the hashes of all files."""
    (of_sdist,) = twice[0].glob("*.whl")
    assert sorted(record(of_sdist)) == sorted(record(wheel()))


def record(archive: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/RECORD"))
        yield from opened.read(name).decode().splitlines()


def test_twine_finds_nothing_wrong(twice: list[Path]) -> None:
    done = tool("twine", "check", "--strict", *twice[0].iterdir())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_check_wheel_contents_finds_nothing_wrong(twice: list[Path]) -> None:
    (built,) = twice[0].glob("*.whl")
    done = tool("check_wheel_contents", "--config", Path(__file__).parents[2] / "pyproject.toml", built)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("environment", ["vllm-0.32.0", "sglang-0.5.23", "diffusers-0.42.1"])
def test_installing_it_beside_a_framework_changes_no_other_package(environment: str) -> None:
    python = python_of(build(environment))
    done = run(python, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-", wheel())
    assert done.returncode == 0, done.stderr
    assert [one["metadata"]["name"] for one in json.loads(done.stdout)["install"]] == ["syncfree"]


TYPED = Path(__file__).with_name("typed_program.py")
MYPY = "[mypy]\nstrict = True\n[mypy-torch.*]\nfollow_imports = skip\n"
"""Without torch, which made an earlier check run for more than 200 s on a busy machine."""


def test_mypy_knows_the_types_of_the_installed_package(installed: Overlay) -> None:
    assert mypy(installed, TYPED.read_text()) == ["Success: no issues found in 1 source file"]


def test_mypy_finds_mistakes_in_a_program_that_uses_the_installed_package(installed: Overlay) -> None:
    """So no name is `Any`."""
    *found, _ = mypy(
        installed,
        "import syncfree\n"
        "from syncfree import usee\n"
        "syncfree.use(scheduler_step=1)\n"
        "syncfree.compare(lambda: None, a='upstream', b='sync_free', hooks='scheduler_step')\n"
        "syncfree.plan().entry(1)\n"
        "from syncfree.audit import audit\n"
        "audit(budget='none')\n",
    )
    assert [line.partition(": error")[0] for line in found if ": error" in line] == [f"program.py:{n}" for n in (2, 3, 4, 5, 7)]


def mypy(installed: Overlay, program: str) -> list[str]:
    """Check a program strictly beside the installed wheel; return what mypy says."""
    (installed.home / "program.py").write_text(program)
    (installed.home / "mypy.ini").write_text(MYPY)
    done = subprocess.run(
        [installed.python, "-m", "mypy", "--config-file", "mypy.ini", "program.py"],
        cwd=installed.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def test_uv_installs_it_and_removes_all_of_it(empty: Overlay) -> None:
    before = empty.contents()
    for command in (("install", "--no-deps", wheel()), ("uninstall", "syncfree")):
        done = tool("uv", "pip", command[0], "--python", empty.python, *command[1:])
        assert done.returncode == 0, done.stderr
        left = empty.contents() - before - {".lock"}  # uv's own, of the environment
        assert bool(left) is (command[0] == "install")
