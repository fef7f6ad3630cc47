"""``python -m tests.dry_run_engines.upstream diffusers``: a framework's own tests on ``cuda`` in the dry run, with values.

Runs them without our hooks and with them; prints by file how many ran and passed, the tests that failed and why, and waits.
``--record`` keeps that for docs/dry-run.md: a run of some files leaves the others as they are. The tests are not in the released
wheels: ``--tests`` is a clone or an unpacked source distribution to take them from.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.environments import cuda_release, release, wheel

from . import suites
from .running import PROGRAMS, environment


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests of a release.

    Attributes:
        version: of the release.
        repository: the public one, which has the tag ``v<version>``.
        patterns: of the files, below the repository.
        python: makes the environment.
        variables: of the tests' processes.
    """

    version: str
    repository: str
    patterns: tuple[str, ...]
    python: Callable[[], Path]
    variables: Mapping[str, str] = field(default_factory=dict)


_DIFFUSERS_NEEDS = ("torchvision===0.28.0", "torchsde==0.2.6", "trampoline==0.1.2")
_VLLM_NEEDS = ("tblib==3.2.2", "pytest-asyncio==1.3.0", "anthropic==0.75.0", "docstring-parser==0.17.0", "distro==1.9.0")
"""The packages that the tests import, beside the framework's own needs."""
SUITES = {
    "diffusers": Suite(
        "0.37.0",
        "https://github.com/huggingface/diffusers",
        ("tests/schedulers/test_*.py",),
        lambda: release("diffusers", "0.37.0", wheel(), *_DIFFUSERS_NEEDS, cuda=True),
    ),
    "vllm": Suite(
        "0.32.0",
        "https://github.com/vllm-project/vllm",
        ("tests/v1/sample/test_*.py", "tests/v1/worker/test_gpu_*.py"),
        lambda: cuda_release("vllm", "0.32.0", wheel(), *_VLLM_NEEDS),
        {"VLLM_USE_FLASHINFER_SAMPLER": "0"},
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.dry_run_engines.upstream", description=__doc__)
    parser.add_argument("framework", choices=list(SUITES))
    parser.add_argument("--tests", type=Path, help="a folder that has the release's tests; by default its tag is cloned")
    parser.add_argument("--only", action="append", metavar="TEXT", help="run the files whose path contains this")
    parser.add_argument("--seconds", type=int, default=60, help="limit of CPU time for one test")
    parser.add_argument("--record", action="store_true", help="keep what was counted for docs/dry-run.md")
    options = parser.parse_args()
    suite = SUITES[options.framework]
    python = suite.python()
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(scratch, "repository")
        _copy_tests(options.tests or _cloned(suite, Path(scratch, "clone")), copied)
        files = [str(file.relative_to(copied)) for pattern in suite.patterns for file in sorted(copied.glob(pattern))]
        files = [file for file in files if any(text in file for text in options.only or [""])]
        off, on = (_run(python, suite, copied, files, options.seconds, hooks) for hooks in suites.HOOKS)
    parts = suites.by_file(off, on)
    for file, part in parts.items():
        print("\n".join(suites.lines(file, part)))
    if options.record:
        suites.write(options.framework, suite.version, parts)
    return 0


def _cloned(suite: Suite, clone: Path) -> Path:
    command = ["git", "clone", "--quiet", "--depth", "1", "--branch", f"v{suite.version}", suite.repository, clone]
    subprocess.run(command, check=True)
    return clone


def _copy_tests(source: Path, target: Path) -> None:
    """Copy the tests without the framework's sources, which would hide the installed package."""
    for folder in ("tests", "examples"):
        shutil.copytree(source / folder, target / folder)
    shutil.copy(source / "pyproject.toml", target)


def _run(python: Path, suite: Suite, tests: Path, files: list[str], seconds: int, hooks: str) -> dict[str, dict[str, Any]]:
    """Run the files in one process; where it dies, the tests after the one that ran then get another process."""
    result = tests / f"hooks-{hooks}.jsonl"
    choices = {} if hooks == "on" else {"SYNCFREE": "off"}
    mine = {"PYTHONPATH": str(PROGRAMS), "WAITS_BY_TEST": str(result), "SECONDS_BY_TEST": str(seconds)}
    pytest = [python, "-m", "pytest", "-q", "-p", "waits_of_tests", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    command = [python, "-m", "syncfree.audit", "--backend", "dry-run", "--values", "--", *pytest, *files]
    known = -1
    while len(found := suites.read(result)) > known:
        known = len(found)
        ended = subprocess.run(command, cwd=tests, env=environment(**suite.variables, **choices, **mine), stdout=sys.stderr, check=False)
        if ended.returncode in _PYTEST_ENDED:
            break
    return suites.read(result)


_PYTEST_ENDED = (0, 1, 5)
"""All passed, some failed, nothing was left to run."""


if __name__ == "__main__":
    sys.exit(main())
