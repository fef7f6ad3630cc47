"""Translate the values of a call to JSON; tensors go to a file of their own.

A value that JSON has itself is written as it is, and every other one as an object with one key that names its kind::

    {"float": "nan"}  {"list": [...]}  {"tuple": [...]}  {"set": [...]}  {"frozenset": [...]}  {"dict": [[key, value], ...]}
    {"record": "syncfree.hooks.scheduler_step:MultistepUpdate", "fields": {...}}     a dataclass or named tuple of a contract
    {"dtype": "bfloat16"}  {"device": "cuda:0"}
    {"tensor": "0", "dtype": "float32", "shape": [2, 3], "strides": [3, 1], "offset": 0, "device": "cuda:0", "pinned": false}
    {"array": "1", "dtype": "int64", ...}                                            a NumPy array
    {"function": "name", "calls": [{"args": [...], "kwargs": {...}, "result": ...}]}

``offset`` counts bytes in the entry of the tensors' file. Tensors that share memory name the same entry. A function is kept as
the calls that it received while the call was recorded.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .._copies import Views, copied
from .._text import clipped
from ._tensors import Blob, RecordingError, blob_of

RECORDS = "syncfree.hooks."
"""The modules whose dataclasses and named tuples a recording may name; replaying imports nothing else."""


class Heard:
    """Stands in for a function argument while a call is recorded, and keeps the calls that it receives."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls: list[tuple[Any, Any, Any]] = []
        self.__name__ = getattr(function, "__qualname__", type(function).__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and keep copies of the arguments and the result."""
        before = copied((args, kwargs))
        result = self.function(*args, **kwargs)
        self.calls.append((*before, copied([result])[0]))
        return result


def listening(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with `Heard` in place of functions."""
    return {
        name: Heard(value) if callable(value) and not isinstance(value, type) else value
        for name, value in arguments.items()
    }


class Encoder:
    """Encodes the values of one call; ``blobs`` are its tensors' bytes, by entry."""

    def __init__(self, *values: Any) -> None:
        """Make an encoder of these values, in which tensors that share memory are found before the first is encoded."""
        self._views = Views(_with_heard(values))
        self._entries: dict[int, str] = {}
        self.blobs: dict[str, Blob] = {}

    def __call__(self, value: Any, where: str) -> Any:
        """Return the JSON of a value.

        Raises:
            RecordingError: it has no such form, as a process group or a framework's own object.
        """
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) in (list, tuple, set, frozenset):
            items = [self(item, f"{where}[{index}]") for index, item in enumerate(value)]
            return {type(value).__name__: items}
        if isinstance(value, dict):
            return {"dict": [[self(key, where), self(item, f"{where}[{key!r}]")] for key, item in value.items()]}
        if isinstance(value, Heard):
            return {"function": value.__name__, "calls": [self._heard(*call, where) for call in value.calls]}
        return self._torch(value, where) or self._record(value, where)

    def _heard(self, args: Any, kwargs: Any, result: Any, where: str) -> dict[str, Any]:
        return {
            "args": [self(arg, f"{where}()") for arg in args],
            "kwargs": {name: self(arg, f"{where}()") for name, arg in kwargs.items()},
            "result": self(result, f"{where}()"),
        }

    def _torch(self, value: Any, where: str) -> dict[str, Any] | None:
        torch = sys.modules.get("torch")
        if torch is None:
            return None
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if hasattr(value, "__array_interface__"):
            return {"array": self._own_entry(torch.as_tensor(value).clone()), "dtype": str(value.dtype), "shape": list(value.shape)}
        if not isinstance(value, torch.Tensor):
            return None
        if not self._views.has(value):
            raise RecordingError(f"{where} is a {type(value).__name__} with layout {value.layout}, which cannot be kept")
        entry, offset, strides = self._entry(value)
        return {
            "tensor": entry,
            "dtype": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
            "strides": list(strides),
            "offset": offset,
            "device": str(value.device),
            "pinned": value.device.type == "cpu" and torch.cuda.is_initialized() and value.is_pinned(),
        }

    def _entry(self, tensor: Any) -> tuple[str, int, tuple[int, ...]]:
        """Return the entry of a tensor, its offset there in bytes, and its strides."""
        sharing = self._views.sharing(tensor)
        if len(sharing) == 1 and tensor.is_contiguous():
            key = id(tensor)
            if key not in self._entries:
                self._entries[key] = self._own_entry(tensor)
            return self._entries[key], 0, tensor.stride()
        raw, start = self._views.bytes_of(tensor)
        key = id(sharing)
        if key not in self._entries:
            self._entries[key] = self._own_entry(raw)
        return self._entries[key], tensor.storage_offset() * tensor.element_size() - start, tensor.stride()

    def _own_entry(self, tensor: Any) -> str:
        name = str(len(self.blobs))
        self.blobs[name] = blob_of(tensor)
        return name

    def _record(self, value: Any, where: str) -> dict[str, Any]:
        kind = type(value)
        path = f"{kind.__module__}:{kind.__qualname__}"
        names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else getattr(value, "_fields", None)
        if names is None or not kind.__module__.startswith(RECORDS):
            raise RecordingError(f"{where} is a {clipped(path)}, which a recording cannot hold")
        return {"record": path, "fields": {name: self(getattr(value, name), f"{where}.{name}") for name in names}}


def _with_heard(value: Any) -> Any:
    """Return the values with the calls of their functions laid open, to find the tensors in them."""
    if isinstance(value, Heard):
        return [_with_heard(call) for call in value.calls]
    if isinstance(value, (list, tuple)):
        return [_with_heard(item) for item in value]
    if isinstance(value, dict):
        return [_with_heard(item) for item in value.values()]
    return value
