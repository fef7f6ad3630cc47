"""The example plugins of the documentation: each is built as a wheel, installed from it, and passes its tests and every check."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environments import build, overlay, pip, python_of, release, wheel
from tests.environments._build import site_packages_of

PLUGINS = Path(__file__).parents[2] / "docs" / "examples" / "plugins"
NAMES = ("memfd_all_to_all", "progress_page", "triton_logprobs")
TRITON = "triton===3.7.1"
"""What torch of the environments asks for where it is built for CUDA."""
INTERPRETED = {"TRITON_INTERPRET": "1"}
"""Triton's kernels run without a GPU, in its interpreter."""
NOT_IN_THE_INTERPRETER = ("-k", "not threads")
"""It keeps the number of the running program in one place for all threads, so kernels of two threads disturb each other."""


@dataclass(frozen=True)
class Installed:
    """Copies of the plugins' folders, their wheels, and an environment with our wheel and theirs."""

    home: Path
    wheels: dict[str, Path]

    def pytest(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [self.home / "overlay" / "bin" / "python", "-m", "pytest", "-p", "no:cacheprovider", *options]
        folder = self.home / "plugins" / name
        variables = os.environ | INTERPRETED
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    home = tmp_path_factory.mktemp("examples")
    shutil.copytree(PLUGINS, home / "plugins", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    wheels = {}
    for name in NAMES:
        folder = home / "plugins" / name
        pip(python_of(build("dev")), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", home / "wheels" / name, folder)
        (wheels[name],) = (home / "wheels" / name).iterdir()
        shutil.rmtree(folder / "src")  # so that nothing but the wheel is imported
    triton = site_packages_of(overlay("dev", TRITON).parent.parent)  # kept in the cache, for its size
    overlay("dev", wheel(), *wheels.values(), before=(triton,), directory=home / "overlay")
    yield Installed(home, wheels)
    shutil.rmtree(home)


def test_every_example_is_tested() -> None:
    assert sorted(NAMES) == sorted(file.parent.name for file in PLUGINS.glob("*/pyproject.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_pass(installed: Installed, name: str) -> None:
    done = installed.pytest(name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", NAMES)
def test_every_check_of_it_passes(installed: Installed, name: str) -> None:
    left_out = NOT_IN_THE_INTERPRETER if name == "triton_logprobs" else ()
    done = installed.pytest(name, "--syncfree-check", name, "--syncfree-check-examples", "20", *left_out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks passed" in done.stdout


LOOP = """
import json
from urllib.request import urlopen

from diffusers import DDPMScheduler, UNet2DModel
from diffusers.pipelines import DDIMPipeline

unet = UNet2DModel(
    sample_size=8, in_channels=3, out_channels=3, layers_per_block=1, norm_num_groups=4, block_out_channels=(4, 8),
    down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
)
DDIMPipeline(unet, DDPMScheduler())(num_inference_steps=7, output_type="np")

from progress_page.progress_reporting import PAGE

with urlopen(PAGE.address + "/events", timeout=60) as events:
    print(next(line for line in events if line.startswith(b"data: ")).decode())
"""


def test_progress_page_shows_a_loop_of_diffusers(installed: Installed, tmp_path: Path) -> None:
    python = release("diffusers", "0.36.0", wheel(), installed.wheels["progress_page"], directory=tmp_path / "overlay")
    variables = {"SYNCFREE_PROGRESS_REPORTING": "progress_page", "PROGRESS_PAGE_PORT": "0"}
    command = [python, "-W", "ignore", "-c", LOOP]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert '"done": 7, "total": 7' in done.stdout, done.stdout
    assert '"is_over": true' in done.stdout
