"""An overlay of the environment `dev` that a test may change."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environments import overlay, wheel


@dataclass(frozen=True, slots=True)
class Overlay:
    """A private environment and what a test does with it."""

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the overlay's `bin`, away from the source tree; a non-zero exit fails the test."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCFREE", "PYTHON"))}
        program, *arguments = map(str, command)
        finished = subprocess.run(
            [self.home / "bin" / program, *arguments],
            cwd=self.home,
            env=variables | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished

    def says(self, program: str, **environment: str) -> str:
        """Return what a Python program prints; it must print nothing to standard error."""
        finished = self.run("python", "-c", program, **environment)
        assert finished.stderr == ""
        return finished.stdout.strip()

    def contents(self) -> set[str]:
        """Every file and folder."""
        return {path.relative_to(self.home).as_posix() for path in self.home.rglob("*")}


@pytest.fixture
def empty(tmp_path: Path) -> Overlay:
    """An overlay without our wheel."""
    home = tmp_path / "overlay"
    overlay("dev", directory=home)
    return Overlay(home)


@pytest.fixture
def installed(tmp_path: Path) -> Overlay:
    """An overlay with our wheel."""
    home = tmp_path / "overlay"
    overlay("dev", wheel(), directory=home)
    return Overlay(home)
