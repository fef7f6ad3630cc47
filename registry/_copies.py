"""Copies of the arguments of a call: whatever a call by contract may change is new, everything else is shared."""

from __future__ import annotations

import copy
import dataclasses
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_ALIGNMENT = 16
"""Bytes; of the largest element, so that views of several dtypes keep their offsets."""


def copied(arguments: T) -> T:
    """Return arguments in containers with copies of their tensors, arrays and containers.

    Tensors that share memory do so in the copies; strides are kept. Functions, process groups and a framework's other
    objects are the same ones: a contract lets no implementation change them.
    """
    return _Copier(arguments)(arguments)  # type: ignore[no-any-return]


class Views:
    """The tensors in a value, and which of them share memory."""

    def __init__(self, value: Any) -> None:
        self.tensors: dict[int, torch.Tensor] = {}
        self._torch = sys.modules.get("torch")
        self._groups: dict[int, list[torch.Tensor]] = {}
        self._group_of: dict[int, list[torch.Tensor]] = {}
        if self._torch is not None:
            self._collect(value)

    def has(self, tensor: torch.Tensor) -> bool:
        """Return whether storage, offset, shape and strides are all there is to a tensor."""
        return id(tensor) in self._group_of

    def sharing(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors that share memory with one, itself included; the same list for each of them."""
        return self._group_of[id(tensor)]

    def bytes_of(self, tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the bytes that a tensor and those that share its memory cover, and where in the storage they begin.

        That is not the whole storage, which may be a framework's buffer of many gigabytes.
        """
        import torch

        spans = [_span(each) for each in self.sharing(tensor)]
        start, end = min(low for low, _ in spans), max(high for _, high in spans)
        start -= start % _ALIGNMENT
        everything = torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(tensor.untyped_storage())
        return everything[start:end], start

    def _collect(self, value: Any) -> None:
        assert self._torch is not None
        if isinstance(value, self._torch.Tensor):
            if id(value) not in self.tensors:
                self.tensors[id(value)] = value
                if _is_plain(value):
                    group = self._groups.setdefault(value.untyped_storage().data_ptr() or id(value), [])
                    group.append(value)
                    self._group_of[id(value)] = group
        elif isinstance(value, dict):
            for item in value.values():
                self._collect(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._collect(item)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                self._collect(getattr(value, field.name))


class _Copier:
    def __init__(self, arguments: Any) -> None:
        self._views = Views(arguments)
        self._copies: dict[int, Any] = {}
        self._storages: dict[int, torch.Tensor] = {}

    def __call__(self, value: Any) -> Any:
        if id(value) in self._views.tensors:
            if id(value) not in self._copies:
                self._copies[id(value)] = self._copy(value)
            return self._copies[id(value)]
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(map(self, value))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if type(value) is dict:
            return {key: self(item) for key, item in value.items()}
        if hasattr(value, "__array_interface__") or isinstance(value, bytearray):
            return copy.copy(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            twin = copy.copy(value)
            for field in dataclasses.fields(value):
                object.__setattr__(twin, field.name, self(getattr(value, field.name)))
            return twin
        return value

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        import torch

        if not self._views.has(tensor):
            return tensor.detach().clone()
        sharing = self._views.sharing(tensor)
        raw, start = self._views.bytes_of(tensor)
        if id(sharing) not in self._storages:
            self._storages[id(sharing)] = raw.clone()
        storage = self._storages[id(sharing)].untyped_storage()
        offset = tensor.storage_offset() - start // tensor.element_size()
        made = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        made.set_(storage, offset, tensor.size(), tensor.stride())
        return made.requires_grad_() if tensor.requires_grad else made


def _is_plain(tensor: torch.Tensor) -> bool:
    import torch

    kinds = (torch.Tensor, torch.nn.Parameter)
    return type(tensor) in kinds and tensor.layout == torch.strided and not (tensor.is_conj() or tensor.is_neg())


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """Return the first byte of a tensor in its storage, and the one after its last."""
    size = tensor.element_size()
    start = int(tensor.storage_offset())
    if tensor.numel() == 0:
        return start * size, start * size
    last = sum(int((length - 1) * stride) for length, stride in zip(tensor.size(), tensor.stride(), strict=True))
    return start * size, (start + last + 1) * size
