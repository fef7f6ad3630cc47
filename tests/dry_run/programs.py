"""Programs of the tests in processes of their own, which have the dry-run device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def output(program: str, memory_gib: int, folder: Path | None = None) -> str:
    """Return what a program prints; one that fails is an assertion with its errors."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "SYNC_AUDIT_DRY_RUN_MEMORY_GIB": str(memory_gib)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
