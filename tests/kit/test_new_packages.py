"""What ``syncfree new-plugin`` and ``syncfree new-adapter`` write passes its own tests when it is installed."""

from __future__ import annotations

import os
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


def run_pytest(home: Path, folder: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [home / "overlay" / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=home / folder, env=environment, capture_output=True, text=True, check=False)


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


def test_an_implementation_is_compared_with_the_real_function_of_an_installed_framework(environment: Path) -> None:
    framework = environment / "acme_hooks" / "tests" / "stand_in"
    of_one_check = ("--syncfree-check", "sync_free", "-v", "-k", "postprocess and upstream")
    assert run_pytest(environment, "kept_frames", *of_one_check, PYTHONPATH="").returncode == 5  # no test is selected
    done = run_pytest(environment, "kept_frames", *of_one_check, PYTHONPATH=str(framework))
    assert "sync_free::postprocess::upstream PASSED" in done.stdout, done.stdout
    frames = framework / "acme" / "frames.py"
    frames.write_text(frames.read_text().replace("0.5).clamp", "0.25).clamp"))
    done = run_pytest(environment, "kept_frames", *of_one_check, PYTHONPATH=str(framework))
    assert done.returncode == 1
    assert "not what acme.frames:to_picture does" in done.stdout, done.stdout
