"""Under a release of pytest that it does not support, the plugin steps aside: our wheel must not break a user's tests."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.environments import cache_root, content_key, made_once, wheel

RELEASES = {
    "6.2.5": ["pytest==6.2.5", "attrs==25.3.0", "iniconfig==2.1.0", "packaging==25.0", "pluggy==1.6.0", "py==1.11.0", "toml==0.10.2"],
    "7.4.4": ["pytest==7.4.4", "iniconfig==2.1.0", "packaging==25.0", "pluggy==1.6.0", "exceptiongroup==1.3.0", "tomli==2.2.1"],
    "8.1.2": ["pytest==8.1.2", "iniconfig==2.1.0", "packaging==25.0", "pluggy==1.6.0", "exceptiongroup==1.3.0", "tomli==2.2.1"],
}  # fmt: skip
TESTS = """
import pytest

def test_plain():
    assert 1 + 1 == 2

@pytest.mark.sync_budget(0)
def test_marked():
    pass

def test_with_the_fixture(sync_audit):
    pass
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, unpacked: pytest finds its entry point there."""
    folder = tmp_path_factory.mktemp("package")
    with zipfile.ZipFile(wheel()) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(params=RELEASES)
def old_pytest(request: pytest.FixtureRequest) -> tuple[str, Path]:
    """A release and the interpreter of an environment that has it and nothing else."""
    requirements = RELEASES[request.param]

    def make(target: Path) -> None:
        venv.create(target, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "--python", str(target / "bin" / "python")]
        subprocess.run([*pip, "install", "--no-deps", *requirements], check=True)

    home = made_once(cache_root() / f"pytest-{content_key([sys.version, *requirements])}", make)
    return request.param, home / "bin" / "python"


def run(python: Path, package: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers -p no:cacheprovider\n")
    return subprocess.run(
        [python, "-m", "pytest", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_an_old_pytest_runs_plain_tests_and_says_in_one_line_what_is_missing(
    old_pytest: tuple[str, Path], package: Path, tmp_path: Path
) -> None:
    release, python = old_pytest
    done = run(python, package, tmp_path, "-k", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    reason = f"@pytest.mark.sync_budget and the fixture sync_audit need pytest 8.2 or newer, this is {release}"
    assert [line for line in done.stdout.splitlines() if "sync_" in line] == [f"syncfree: {reason}"]
    assert done.stderr == ""


def test_an_old_pytest_fails_the_tests_whose_syncs_nobody_would_count(
    old_pytest: tuple[str, Path], package: Path, tmp_path: Path
) -> None:
    release, python = old_pytest
    done = run(python, package, tmp_path, "-rfE")
    assert done.returncode == 1
    assert "1 passed" in done.stdout
    assert "2 errors" in done.stdout
    assert "fixture 'sync_audit' not found" in done.stdout
    assert f"need pytest 8.2 or newer, this is {release}" in done.stdout.partition("ERRORS")[2]
