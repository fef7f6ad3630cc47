"""What ``syncfree new-plugin`` and ``syncfree new-adapter`` write passes its own tests when it is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environments import overlay, wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our wheel with three written packages: two plugins and an adapter."""
    home = tmp_path_factory.mktemp("new_packages")
    tool = overlay("dev", wheel(), directory=home / "writer").with_name("syncfree")
    written = ("new-plugin", "kept_frames"), ("new-plugin", "kept_rows", "--hook", "pooled_rows"), ("new-adapter", "acme_hooks")
    for arguments in written:
        subprocess.run([tool, *arguments], cwd=home, check=True)
    overlay("dev", wheel(), *(home / name for _, name, *_ in written), directory=home / "overlay")
    yield home
    shutil.rmtree(home)


def run_pytest(home: Path, folder: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [home / "overlay" / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=home / folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("folder", "tests"), [("kept_frames", 2), ("kept_rows", 2), ("acme_hooks", 3)])
def test_its_tests_pass_as_written(environment: Path, folder: str, tests: int) -> None:
    done = run_pytest(environment, folder)
    assert done.returncode == 0, done.stdout
    assert f"{tests} passed" in done.stdout


@pytest.mark.parametrize("plugin", ["kept_frames", "kept_rows"])
def test_every_check_of_the_plugin_passes_as_written(environment: Path, plugin: str) -> None:
    done = run_pytest(environment, plugin, "--syncfree-check", plugin, "--syncfree-check-examples", "20")
    assert done.returncode == 0, done.stdout
    assert "checks passed" in done.stdout
