"""Build the values of a recorded call from its JSON and its tensors, in new memory each time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from .._copies import copied
from .._difference import difference
from ._encoding import RECORDS
from ._tensors import RecordingError

_PLACES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class Answers:
    """Stands in for a function argument while a call is replayed: it answers as the function did while it was recorded.

    A call with the arguments of a recorded one, bit for bit, gets a copy of that result. After `by_order`, the results are
    given in the recorded order and nothing is compared, so that a measurement does not contain the comparison.
    """

    def __init__(self, name: str, calls: list[tuple[Any, Any, Any]]) -> None:
        self.__name__ = name
        self.calls = calls
        self._next: int | None = None

    def by_order(self) -> None:
        """Give the results in the recorded order, starting again after the last."""
        self._next = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returned.

        Raises:
            RecordingError: it did not receive such a call while it was recorded.
        """
        if self._next is not None and self.calls:
            result = self.calls[self._next % len(self.calls)][2]
            self._next += 1
            return result
        for recorded_args, recorded_kwargs, result in self.calls:
            if difference((args, kwargs), (recorded_args, recorded_kwargs), None) is None:
                return copied([result])[0]
        raise RecordingError(
            f"the function {self.__name__} is called with arguments that it did not get in any of the {len(self.calls)} calls "
            "of it that were recorded: this implementation calls it in another way, which a recording cannot answer"
        )


class Decoder:
    """Decodes the values of one call.

    Args:
        blobs: the bytes of each entry of the tensors' file.
        device: where tensors go that were recorded on a GPU; those on the host stay there.
    """

    def __init__(self, blobs: Mapping[str, bytearray], device: str) -> None:
        self._blobs = blobs
        self._gpu = device
        self._storages: dict[tuple[str, str], Any] = {}

    def __call__(self, tree: Any) -> Any:
        """Return a value.

        Raises:
            RecordingError: the file was not written by `Encoder`, or the device does not exist here.
        """
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        if not isinstance(tree, dict) or not tree:
            raise RecordingError(f"a recorded call has an unknown value: {str(tree)[:100]}")
        kind, content = next(iter(tree.items()))
        if kind in _PLACES:
            return _PLACES[kind](map(self, content))
        decode: Callable[[Any], Any] | None = getattr(self, f"_{kind}", None)
        if decode is None:
            raise RecordingError(f"a recorded call has a value of the unknown kind {kind!r}; was it recorded by a newer syncfree?")
        return decode(tree)

    def _float(self, tree: dict[str, Any]) -> float:
        return float(tree["float"])

    def _dict(self, tree: dict[str, Any]) -> dict[Any, Any]:
        return {self(key): self(value) for key, value in tree["dict"]}

    def _dtype(self, tree: dict[str, Any]) -> Any:
        return _torch_dtype(tree["dtype"])

    def _device(self, tree: dict[str, Any]) -> Any:
        import torch

        return torch.device(self._here(tree["device"]))

    def _here(self, recorded: str) -> str:
        """Return where what was on a device is now."""
        return "cpu" if recorded == "cpu" else self._gpu

    def _tensor(self, tree: dict[str, Any]) -> Any:
        import torch

        device = self._here(tree["device"])
        key = tree["tensor"], device
        if key not in self._storages:
            raw = self._raw(tree["tensor"])
            self._storages[key] = raw.pin_memory() if tree["pinned"] and self._gpu != "cpu" else raw.to(device)
        dtype = _torch_dtype(tree["dtype"])
        made = torch.empty(0, dtype=dtype, device=device)
        offset = tree["offset"] // made.element_size()
        return made.set_(self._storages[key].untyped_storage(), offset, tree["shape"], tree["strides"])

    def _array(self, tree: dict[str, Any]) -> Any:

        return self._raw(tree["array"]).view(_torch_dtype(tree["dtype"])).view(tree["shape"]).numpy().copy()

    def _raw(self, entry: str) -> Any:
        import torch

        data = self._blobs[entry]
        return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)

    def _function(self, tree: dict[str, Any]) -> Answers:
        calls = [
            (tuple(map(self, call["args"])), {name: self(arg) for name, arg in call["kwargs"].items()}, self(call["result"]))
            for call in tree["calls"]
        ]
        return Answers(tree["function"], calls)

    def _record(self, tree: dict[str, Any]) -> Any:
        module, _, name = tree["record"].partition(":")
        if not module.startswith(RECORDS):  # a recording may come from anywhere: it names nothing else to import
            raise RecordingError(f"a recorded call names {tree['record']!r}, which is not of a hook's contract")
        kind = getattr(importlib.import_module(module), name, None)
        if kind is None:
            raise RecordingError(f"this syncfree has no {tree['record']}, which a recorded call needs")
        return kind(**{field: self(value) for field, value in tree["fields"].items()})


def _torch_dtype(name: str) -> Any:
    import torch

    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise RecordingError(f"this torch has no dtype {name!r}")
    return found
