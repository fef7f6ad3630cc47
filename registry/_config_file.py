"""The configuration file of ``SYNCFREE_CONFIG``: TOML, limited in size and checked key by key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _toml
from ._errors import nearest, unknown_hook
from ._name_list import NameList
from ._text import clipped
from .metrics._settings import sample_problems

LARGEST = 16 * 1024
"""Bytes. A line for each hook takes less than 3 KiB in all; Python's TOML parser needs 270 MB for the worst 16 KiB."""

_TEXTS = ("verify_on_mismatch", "verify_contents", "record_to")
_NUMBERS = ("verify", "record")
_KEYS = ("enabled", "plugins", "allow_unknown", "control", "metrics_sample", *_TEXTS, "hooks", *_NUMBERS)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_TYPES = {bool: "a boolean", int: "an integer", float: "a float", str: "a string", list: "an array", dict: "a table"}
_NO_NAMES = NameList((), "")


@dataclass
class ConfigFile:
    """The contents of the file; empty without one.

    Attributes:
        source: the file, for messages and reports.
        verify: the share of a hook's calls to verify, not checked further.
        record: how many calls of a hook to record, not checked further.
        metrics_sample: the share of the calls that metrics time, from 0 to 1.
        problems: invalid keys and values, which the other attributes leave out.
    """

    source: str = ""
    enabled: bool = True
    control: bool = True
    plugins: NameList = _NO_NAMES
    allow_unknown: NameList = _NO_NAMES
    hooks: dict[str, str] = field(default_factory=dict)
    verify: dict[str, float] = field(default_factory=dict)
    verify_on_mismatch: str = ""
    verify_contents: str = ""
    record: dict[str, float] = field(default_factory=dict)
    record_to: str = ""
    metrics_sample: float = 0.0
    problems: list[str] = field(default_factory=list)


class _Refused(Exception):
    """The file cannot be read; the message is the reason."""


def read_config_file(path: str, hooks: Iterable[str]) -> ConfigFile:
    """Read and check a configuration file. Raises nothing: errors are in ``problems``.

    Args:
        path: ``~`` is expanded, and a relative path starts at the working directory.
        hooks: the names of the hooks that exist.
    """
    path = _absolute(path)
    file = ConfigFile(f"file {path}")
    try:
        data = _toml.loads(_text(path))
    except (_Refused, OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        file.problems.append(f"SYNCFREE_CONFIG={clipped(path, 1000)} cannot be read: {reason}")
    else:
        problems = _take(data, file, set(hooks))
        file.problems += [f"{file.source}: {problem}" for problem in problems]
    return file


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(os.path.expanduser(path))
    except OSError:  # the working directory was deleted
        return path


def _text(path: str) -> str:
    if os.path.realpath(path) == os.devnull:
        return ""
    _must_be_regular(os.stat(path))
    # The path may have been replaced since the check, and opening a FIFO would block until it has a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        _must_be_regular(os.fstat(descriptor))
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _Refused(f"it has more than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise _Refused(f"it is not UTF-8: {error}") from error


def _must_be_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise _Refused(f"it is {kind}, not a regular file")


def _take(data: dict[str, Any], file: ConfigFile, hooks: set[str]) -> Iterator[str]:
    """Copy the valid entries into the file record, and yield the problems of the others."""
    for key in data:
        if key not in _KEYS:
            yield f"unknown key {clipped(key)!r}{nearest(key, _KEYS)}"
    for key in ("enabled", "control"):
        value = data.get(key, True)
        if isinstance(value, bool):
            setattr(file, key, value)
        else:
            yield f"{key} must be true or false, not {_kind(value)}"
    for key in ("plugins", "allow_unknown"):
        yield from _take_names(key, data.get(key, []), file)
    for key in _TEXTS:
        value = data.get(key, "")
        if isinstance(value, str):
            setattr(file, key, value.strip())
        else:
            yield f"{key} must be a string, not {_kind(value)}"
    yield from _take_sample(data.get("metrics_sample", 0), file)
    for key in _NUMBERS:
        yield from _take_numbers(key, data.get(key, {}), file)
    yield from _take_hooks(data.get("hooks", {}), file, hooks)


def _take_numbers(key: str, found: object, file: ConfigFile) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{key} must be a table, not {_kind(found)}"
        return
    for hook, number in found.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            yield f"{key}.{clipped(hook)} must be a number, not {_kind(number)}"
        else:
            getattr(file, key)[hook] = number


def _take_sample(share: object, file: ConfigFile) -> Iterator[str]:
    if isinstance(share, bool) or not isinstance(share, int | float):
        yield f"metrics_sample must be a number, not {_kind(share)}"
    elif problems := sample_problems(share, "metrics_sample"):
        yield from problems
    else:
        file.metrics_sample = float(share)


def _take_hooks(chosen: object, file: ConfigFile, hooks: set[str]) -> Iterator[str]:
    if not isinstance(chosen, dict):
        yield f"hooks must be a table, not {_kind(chosen)}"
        return
    for hook, name in chosen.items():
        if hook not in hooks:
            yield unknown_hook(hook, hooks)
        elif not isinstance(name, str):
            yield f"hooks.{hook} must be the name of a plugin or 'upstream', not {_kind(name)}"
        else:
            file.hooks[hook] = name


def _take_names(key: str, found: object, file: ConfigFile) -> Iterator[str]:
    if not isinstance(found, list):
        yield f"{key} must be a list of names, not {_kind(found)}"
    elif others := [_kind(name) for name in found if not isinstance(name, str)]:
        yield f"{key} must be a list of names, and {others[0]} is in it"
    else:
        setattr(file, key, NameList(found, f"{file.source}: {key}"))


def _kind(value: object) -> str:
    """Return the TOML type of a value. Messages do not show the value itself, which may be nested to any depth."""
    return _TYPES.get(type(value), "a date or time")
