"""Make a virtual environment from a spec and its lock file, and make the lock file from the spec."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ._cache import made_once
from ._specs import load


class BuildError(RuntimeError):
    """A program that makes an environment failed; its messages are on standard error."""


def python_of(environment: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return environment / "bin" / "python"


def site_packages_of(environment: Path) -> Path:
    """Return the folder of a virtual environment that packages are installed into."""
    return environment / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def run(*command: str | Path) -> None:
    """Run a program with its output on standard error. Raises `BuildError`."""
    status = subprocess.run(command, check=False, stdout=sys.stderr).returncode
    if status != 0:
        raise BuildError(f"`{' '.join(map(str, command))}` ended with status {status}; its output is above")


def pip(python: Path | str, *arguments: str | Path) -> None:
    """Run pip under `python` with its output on standard error. Raises `BuildError`."""
    run(python, "-m", "pip", "--disable-pip-version-check", "-qq", *arguments)


def see(environment: Path, base: Path) -> None:
    """Make the packages of `base` importable in a virtual environment, after its own."""
    line = f"import site; site.addsitedir({os.fspath(site_packages_of(base))!r})\n"
    (site_packages_of(environment) / "1-base.pth").write_text(line)


def build(name: str) -> Path:
    """Return the folder of the environment `name`, made first if it is not in the cache. Raises `BuildError`."""
    spec = load(name)
    base = None if spec.base is None else build(spec.base)

    def make(target: Path) -> None:
        print(f"making the environment {target}", file=sys.stderr)
        run(sys.executable, "-m", "venv", target)
        if base is not None:
            see(target, base)
        python = python_of(target)
        alone = () if spec.with_dependencies else ("--no-deps",)
        # Compiling every module of torch and transformers takes as long as the rest; Python compiles imported ones itself.
        pip(python, "install", *alone, "--no-compile", "--requirement", spec.lock)
        for package in spec.packages:
            install_source(python, package)
        for script in spec.scripts:
            run(python, script)

    return made_once(spec.directory, make)


def install_source(python: Path, folder: Path) -> None:
    """Install a source folder from a copy, because setuptools writes into the folder that it builds."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        shutil.copytree(folder, copy)
        pip(python, "install", "--no-deps", "--no-build-isolation", copy)


def lock(name: str) -> Path:
    """Resolve the spec against the current package index and write its lock file, without the base's own requirements."""
    spec = load(name)
    of_base = () if spec.base is None or not spec.requirements else load(spec.base).requirements
    pins = _resolved((*of_base, *spec.requirements)) | _resolved(spec.without_dependencies, "--no-deps")
    for requirement in of_base:
        del pins[_project(requirement)]
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
    # A local version such as 2.13.0+cpu names one build; the lock pins the release, and any build of it will do.
    return {_project(item["metadata"]["name"]): item["metadata"]["version"].split("+")[0] for item in found}


def _project(requirement: str) -> str:
    """Return the project name of a requirement, as written in lock files."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
