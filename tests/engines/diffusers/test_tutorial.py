"""The tutorial and other pages do what they say: files are written, commands run in a terminal, their output is compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from docs.terminal import shown
from docs.walkthrough import Command, File, agrees, steps
from tests.environments import copy_sources, release

ROOT = Path(__file__).parents[3]


PAGES = {
    "tutorial": 13,
    "how-to/diffusers-script": 5,
    "how-to/own-scheduler": 3,
    "how-to/ci-without-a-gpu": 2,
}
"""Pages that are executed, and the number of their commands."""


@pytest.fixture
def variables(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a shell in which diffusers 0.42.1 is installed, and syncfree is not; pip may download nothing."""
    python = release("diffusers", "0.42.1", directory=tmp_path / "environment")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYNC", "PIP_", "PYTEST_", "PYTHON", "COV_"))}
    return kept | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads the variable as the value of `build_isolation`
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_prints_what_it_says(page: str, tmp_path: Path, variables: Mapping[str, str]) -> None:
    home = tmp_path / "home"
    copy_sources(home / "syncfree")
    commands = 0
    for step in steps((ROOT / "docs" / f"{page}.md").read_text("utf-8")):
        match step:
            case File(name, text):
                (home / name).parent.mkdir(exist_ok=True)
                (home / name).write_text(text)
            case Command(text, expected):
                printed = shown(text, home, variables)
                assert agrees(printed, expected), f"$ {text}\n{printed}\n-- but the page says:\n{expected}"
                commands += 1
    assert commands == PAGES[page]
