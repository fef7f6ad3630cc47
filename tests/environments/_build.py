"""Make a virtual environment from a spec and its lock file, and make the lock file from the spec."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ._cache import made_once
from ._specs import load


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / "bin" / "python"


def pip(python: Path | str, *arguments: str | Path) -> None:
    """Run pip under `python`; what it prints goes to standard error. Raises `CalledProcessError`."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "-qq", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr)


def build(name: str) -> Path:
    """Return the folder of the environment `name`, made first if it is not in the cache."""
    spec = load(name)

    def make(target: Path) -> None:
        print(f"making the environment {target}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", target], check=True, stdout=sys.stderr)
        python = python_of(target)
        # Compiling every module of torch and transformers takes as long as the rest; Python compiles those that it imports.
        pip(python, "install", "--no-deps", "--no-compile", "--requirement", spec.lock)
        for package in spec.packages:
            install_source(python, package)
        for script in spec.scripts:
            subprocess.run([python, script], check=True, stdout=sys.stderr)

    return made_once(spec.directory, make)


def install_source(python: Path, folder: Path) -> None:
    """Install a source folder from a copy: setuptools writes into the folder that it builds."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        pip(python, "install", "--no-deps", "--no-build-isolation", copy)


def lock(name: str) -> Path:
    """Resolve the spec against the package index of today and write its lock file."""
    spec = load(name)
    pins = _resolved(spec.requirements) | _resolved(spec.without_dependencies, "--no-deps")
    lines = [f"{project}=={version}\n" for project, version in sorted(pins.items())]
    spec.lock.parent.mkdir(exist_ok=True)
    spec.lock.write_text("".join(lines))
    return spec.lock


def _resolved(requirements: Sequence[str], *options: str) -> dict[str, str]:
    if not requirements:
        return {}
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        pip(sys.executable, "install", "--dry-run", "--ignore-installed", "--report", report.name, *options, *requirements)
        found = json.loads(Path(report.name).read_text())["install"]
    # A local version such as 2.13.0+cpu names one builder's file; the lock asks for the release and any build of it will do.
    return {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"].split("+")[0] for item in found}
