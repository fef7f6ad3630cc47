"""Python programs that tests run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

INSTALL = "from syncfree.audit import simulated; simulated.install(); import torch\n"


def run(source: str, *, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is text."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | variables,
        timeout=300,
    )


def output(source: str, **variables: str) -> str:
    """Return what a program prints, which must end well."""
    done = run(source, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refusal(source: str, **variables: str) -> str:
    """The last line of the error that a program ends with; below it a traceback has the error's page."""
    done = run(source, **variables)
    assert done.returncode != 0, done.stdout
    return [line for line in done.stderr.strip().splitlines() if not line.startswith("See docs/")][-1]
