"""The cache folder for everything expensive, and the locking that makes it safe to share between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "TEST_ENVIRONMENTS_CACHE"
COMPLETE = ".complete"


def cache_root() -> Path:
    """Return `$TEST_ENVIRONMENTS_CACHE`, or `~/.cache/syncfree/environments`."""
    chosen = os.environ.get(CACHE_VARIABLE)
    root = Path(chosen) if chosen else Path.home() / ".cache" / "syncfree" / "environments"
    return root.absolute()


def content_key(parts: Iterable[str | bytes | Path]) -> str:
    """Return twelve hex digits of a hash over `parts`: of a path, its name and content; of a folder, all its files."""
    digest = hashlib.sha256()
    for part in parts:
        for name, data in _chunks(part):
            digest.update(f"{len(name)}:{name}:{len(data)}:".encode())
            digest.update(data)
    return digest.hexdigest()[:12]


def _chunks(part: str | bytes | Path) -> Iterator[tuple[str, bytes]]:
    if isinstance(part, bytes):
        yield "", part
    elif isinstance(part, str):
        yield "", part.encode()
    elif part.is_dir():
        for file in sorted(part.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.relative_to(part).as_posix(), file.read_bytes()
    else:
        yield part.name, part.read_bytes()


def is_complete(target: Path) -> bool:
    """Return whether `made_once` finished `target`."""
    return (target / COMPLETE).exists()


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder `target`, filled by `make(target)` unless an earlier call finished it.

    The folder is filled in place because a virtual environment contains its own absolute path. A marker is written last;
    without it, the next call removes the remains of a killed or failed `make`. A second process waits for the first.
    """
    if is_complete(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f".{target.name}.lock")):
        if not is_complete(target):
            if target.exists():
                shutil.rmtree(target)
            target.mkdir()
            make(target)
            (target / COMPLETE).touch()
    return target


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
