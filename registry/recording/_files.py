"""The folder of a recording: for each call a JSON file, and next to it a file with its tensors.

``<hook>-<pid>-<number>.json`` has these keys::

    format    "syncfree-call"
    version   1
    hook      the hook's name
    arguments {parameter: value}, encoded as `_encoding` describes
    result    what the implementation returned, encoded too; left out where it was not kept
    tensors   the name of the file with the tensors, in the safetensors format
    about     target, choice, and the versions of syncfree, Python and torch, for people

A JSON file is written last, so that one that exists is complete.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._errors import nearest
from .._hook import Hook
from .._version import __version__
from .._versioned_json import FileFormat
from ..hooks import HOOKS
from ._decoding import Decoder
from ._encoding import Encoder
from ._tensors import RecordingError, read_tensors, write_tensors

FORMAT = "syncfree-call"
VERSION = 1
_FORMAT = FileFormat(FORMAT, VERSION, 64 << 20, ", too much for a recorded call", "is not a recorded call")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Call:
    """A recorded call; its values are built anew by each of its methods."""

    path: Path
    hook: str
    tree: Mapping[str, Any]
    blobs: Mapping[str, bytearray]

    def arguments(self, device: str) -> dict[str, Any]:
        """Return the arguments in new memory; what was on a GPU is on ``device``."""
        decode = Decoder(self.blobs, device)
        try:
            return {name: decode(value) for name, value in self.tree["arguments"].items()}
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else error
            raise RecordingError(f"{self.path} cannot be replayed: {why}") from error

    @property
    def has_result(self) -> bool:
        """Return whether the result was kept."""
        return "result" in self.tree

    def result(self, device: str) -> Any:
        """Return the recorded result."""
        return Decoder(self.blobs, device)(self.tree["result"])


def write_call(
    folder: str, hook: Hook, arguments: Mapping[str, Any], about: Mapping[str, Any], result: tuple[Any, ...] = ()
) -> str:
    """Write a call, and return the path of its JSON file.

    Args:
        folder: made if it does not exist.
        hook: the hook.
        arguments: by name, in which `_encoding.Heard` stands in for functions whose calls are kept.
        about: target and choice.
        result: the result in a tuple; empty to leave it out.

    Raises:
        RecordingError: the folder cannot be written, or an argument has no form in a recording.
    """
    encode = Encoder(dict(arguments), result)
    tree: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "hook": hook.name,
        "arguments": {name: encode(value, name) for name, value in arguments.items()},
    }
    if result:
        tree["result"] = encode(result[0], "the result")
    stem = f"{hook.name}-{os.getpid()}-{next(_numbers):06}"
    tree["tensors"] = f"{stem}.safetensors"
    tree["about"] = {**about, **_versions()}
    path = os.path.join(folder, f"{stem}.json")
    try:
        os.makedirs(folder, exist_ok=True)
        write_tensors(os.path.join(folder, tree["tensors"]), encode.blobs)
        with open(f"{path}.part", "w", encoding="utf-8") as file:
            json.dump(tree, file)
        os.replace(f"{path}.part", path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror}") from error
    return path


def read_calls(folder: str, hook: str | None = None) -> list[Call]:
    """Return the calls in a folder, in the order in which each process made them.

    Args:
        folder: the folder, or one JSON file.
        hook: only calls of this hook; None: they must all be of one hook.

    Raises:
        RecordingError: there is none, calls of several hooks, or a file that is damaged or of a newer version.
    """
    path = Path(folder)
    files = [path] if path.is_file() else sorted(path.glob("*.json")) if path.is_dir() else []
    calls = [call for call in map(_read, files) if hook in (None, call.hook)]
    if not calls:
        of = f" of {hook}" if hook else ""
        raise RecordingError(f"{folder} has no recorded call{of}; make some with: syncfree record HOOK --out DIR -- COMMAND")
    hooks = sorted({call.hook for call in calls})
    if len(hooks) > 1:
        raise RecordingError(f"{folder} has calls of {', '.join(hooks)}: name one of these hooks")
    return calls


def _read(path: Path) -> Call:
    tree = _FORMAT.read(path, RecordingError)
    name, tensors, arguments = tree.get("hook"), tree.get("tensors"), tree.get("arguments")
    if name not in HOOKS:
        raise RecordingError(f"{path} is of the unknown hook {name!r}{nearest(str(name), HOOKS)}")
    if not isinstance(tensors, str) or os.path.basename(tensors) != tensors or not isinstance(arguments, dict):
        raise RecordingError(f"{path} is damaged: it names no file of tensors, or no arguments")
    return Call(path, name, tree, read_tensors(str(path.parent / tensors)))


def _versions() -> dict[str, str]:
    torch = sys.modules.get("torch")
    found = {"syncfree": __version__, "python": platform.python_version()}
    return found if torch is None else {**found, "torch": str(torch.__version__)}
