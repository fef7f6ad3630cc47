"""Information about a process from Linux's ``/proc``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_FILES_OF_PYTHON = re.compile(rb"/(?:(?:lib)?(?:python|pypy)[^/\n]*|lib-dynload/[^/\n]*)$", re.MULTILINE)
_FILES_OF_TORCH = re.compile(rb"/(?:libtorch(?:_cpu|_cuda|_python)?\.so[^/\n]*|torch/_C\.[^/\n]*)$", re.MULTILINE)

_ADDR_NO_RANDOMIZE = 0x0040000


@dataclass(frozen=True, slots=True)
class Stat:
    """One process at one moment.

    Attributes:
        image: identifies the program that it executes: addresses that every exec randomizes and a forked child keeps. Empty
            for a process that is ending, and for one that this user may not inspect.
    """

    pid: int
    parent: int
    is_zombie: bool
    started: int
    image: str


@dataclass(frozen=True, slots=True)
class Files:
    """Whether a process has files of Python and of torch mapped into its memory."""

    of_python: bool
    of_torch: bool


def stat(pid: int) -> Stat | None:
    """Return the state of a process; None when it does not exist."""
    content = _read(pid, "stat")
    if content is None:
        return None
    fields = content.rpartition(b")")[2].split()
    image = b"-".join([fields[23], fields[25], fields[44], fields[45], fields[48]]).decode()
    return Stat(pid, int(fields[1]), fields[0] in (b"Z", b"X"), int(fields[19]), "" if fields[25] == b"0" else image)


def has_random_addresses(pid: int) -> bool:
    """Return False when two programs that a process executes may get the same addresses."""
    personality = _read(pid, "personality")
    with open("/proc/sys/kernel/randomize_va_space", "rb") as file:
        return personality is not None and not int(personality, 16) & _ADDR_NO_RANDOMIZE and file.read().strip() != b"0"


def arguments(pid: int) -> list[str]:
    """Return the command line of a process, empty when it has ended."""
    return os.fsdecode(_read(pid, "cmdline") or b"").removesuffix("\0").split("\0")


def environment(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with, empty when it cannot be read."""
    entries = os.fsdecode(_read(pid, "environ") or b"").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def files(pid: int) -> Files | None:
    """Return which files a process has mapped; None when it has ended, or this user may not inspect it."""
    maps = _read(pid, "maps")
    if not maps:
        return None
    maps = maps.replace(b" (deleted)\n", b"\n")
    return Files(_FILES_OF_PYTHON.search(maps) is not None, _FILES_OF_TORCH.search(maps) is not None)


def _read(pid: int, name: str) -> bytes | None:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
