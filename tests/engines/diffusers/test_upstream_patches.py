"""The patches of docs/upstream apply to the released diffusers, change no latent, and leave no wait in a denoising loop."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.environments import release, unpacked, wheel

from .process import ROOT

RELEASE = "0.42.1"
PATCHES = sorted((ROOT / "docs" / "upstream").glob("diffusers-*.patch"))
STEPS = 6


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patched")
    shutil.copytree(unpacked("diffusers", RELEASE) / "diffusers", folder / "diffusers")
    for patch in PATCHES:
        command = ["git", "apply", "-p2", str(patch)]
        subprocess.run(command, cwd=folder, env={**os.environ, "GIT_DIR": "/dev/null"}, check=True)
    return folder


def run(folder: Path) -> dict[str, Any]:
    """Requests with a diffusers from a folder, with our hooks loaded."""
    python = release("diffusers", RELEASE, wheel())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNCFREE")}
    environment = {**inherited, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    command = [str(python), "-m", "tests.engines.diffusers.patched"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    assert found.pop("diffusers").startswith(str(folder))
    return found


@pytest.fixture(scope="module")
def found(patched: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return run(unpacked("diffusers", RELEASE)), run(patched)


def test_the_page_names_every_patch() -> None:
    page = (ROOT / "docs" / "upstream" / "README.md").read_text(encoding="utf-8")
    assert len(PATCHES) == 3
    assert [patch.name for patch in PATCHES if f"({patch.name})" not in page] == []


def test_every_patched_file_compiles_and_differs(patched: Path) -> None:
    named = [line[6:] for patch in PATCHES for line in patch.read_text(encoding="utf-8").splitlines() if line[:6] == "+++ b/"]
    assert len(named) == 10
    for name in named:
        file = patched / name.removeprefix("src/")
        original = unpacked("diffusers", RELEASE) / name.removeprefix("src/")
        assert compileall.compile_file(file, quiet=2)
        assert file.read_bytes() != original.read_bytes()


def test_latents_are_the_same_byte_for_byte(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = found
    assert {name: one["latents"] for name, one in before.items()} == {name: one["latents"] for name, one in after.items()}


def test_no_line_waits_in_every_step_any_more(found: tuple[dict[str, Any], dict[str, Any]]) -> None:
    before, after = found
    assert all(one["waits in the loop"] >= STEPS for one in before.values())
    assert {name: one["sites"] for name, one in after.items() if one["waits in the loop"] > 1} == {}
