"""The base of programs under test: a stand-in for torch, which is imported in milliseconds and waits when asked."""

from __future__ import annotations

import _ctypes
import os
import shutil
from pathlib import Path

STANDIN = Path(__file__).with_name("standin")


def make_library(folder: Path) -> Path:
    """A file that is mapped as one of torch's is, which tells the auditing process of torch in a process."""
    library = folder / "libtorch_cpu.so"
    shutil.copy(_ctypes.__file__, library)
    return library


def environment(library: Path, **variables: str) -> dict[str, str]:
    """This environment, with the stand-in in the place of torch."""
    return (
        os.environ
        | {"PYTHONPATH": str(STANDIN), "STANDIN_LIBRARY": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
        | variables
    )
