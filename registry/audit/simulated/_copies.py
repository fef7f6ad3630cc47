"""Kernels that move or replace memory: ``copy_``, ``set_``, ``resize_`` and storage clones."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from .._events import Kind
from .._transfers import is_one_transfer, is_whole
from . import _ordering, _state
from ._forge import device, host, metadata_only
from ._pinned import is_pinned

_as_strided = torch.ops.aten.as_strided.default
_OP = "aten::copy_"


def copy_(self: torch.Tensor, src: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """Run ``aten::copy_`` where one side is on the device: waits as ATen's ``copy_kernel_cuda`` does."""
    if _state.forked:
        _state.refuse_after_fork()
    if self.is_cuda and src.is_cuda:
        host(self).copy_(host(src))
    elif self.is_cuda:
        _upload(self, src, non_blocking)
    else:
        _download(self, src, non_blocking)
    return self


def _upload(self: torch.Tensor, src: torch.Tensor, non_blocking: bool) -> None:
    # The device converts. A source that must be made dense is copied into pageable memory first.
    is_one = is_one_transfer(self, src)
    is_queued = non_blocking and is_pinned(src) and (is_one or is_whole(src, self))
    if src.numel() and not is_queued:
        _ordering.host_waits(Kind.STAGED if non_blocking else Kind.H2D, _OP, src.shape, hard=not non_blocking)
    if is_queued and is_one and _ordering.STATE.is_poisoning and src.numel():
        _ordering.queue_copy(src, src, self, is_download=False)
    host(self).copy_(src)


def _download(self: torch.Tensor, src: torch.Tensor, non_blocking: bool) -> None:
    # The device converts and makes dense. A destination that is not dense is filled from pageable memory.
    is_one = is_one_transfer(self, src)
    is_queued = non_blocking and is_pinned(self) and (is_one or is_whole(self, src))
    if src.numel() and not is_queued:
        # The driver returns from a copy to pageable memory when it is done: a wait, even with non_blocking=True.
        _ordering.host_waits(Kind.STAGED if non_blocking else Kind.D2H, _OP, src.shape)
    if is_queued and is_one and _ordering.STATE.is_poisoning and src.numel():
        _ordering.queue_copy(self, host(src).clone(), src, is_download=True)
    else:
        self.copy_(host(src))


def set_(self: torch.Tensor, storage: Any, offset: int = 0, size: Any = None, stride: Any = None) -> torch.Tensor:
    """Run any overload of ``aten::set_``."""
    if isinstance(storage, torch.Tensor):
        tensor = storage
    else:
        nbytes = storage.nbytes()
        memory = (ctypes.c_byte * max(nbytes, 1)).from_address(storage.data_ptr() or ctypes.addressof(_NOWHERE))
        memory._owner = storage  # keeps the memory alive as long as the view of it
        elements = torch.frombuffer(memory, dtype=torch.uint8)[:nbytes].view(self.dtype)
        tensor = device(elements)
        size = [tensor.numel()] if size is None else size
        stride = stride or _contiguous_strides(size)
        tensor = metadata_only(_as_strided, tensor, size, stride, offset)
    self.data = tensor
    return self


def resize_(self: torch.Tensor, size: Any, memory_format: Any = None) -> torch.Tensor:
    """Run ``aten::resize_``: new memory where the old is too small, with the old elements first."""
    needed = torch.Size(size).numel()
    if (needed + self.storage_offset()) * self.element_size() > self.untyped_storage().nbytes():
        memory = torch.empty(needed, dtype=self.dtype)
        kept = min(needed, self.numel())
        memory[:kept].copy_(host(self).flatten()[:kept])
        self.data = device(memory.view(size))
    else:
        self.data = metadata_only(_as_strided, self, size, _contiguous_strides(size))
    return self


def clone_storage(storage: torch.UntypedStorage) -> torch.UntypedStorage:
    """Copy a storage on the device."""
    tensor = torch.empty(0, dtype=torch.uint8, device="cuda").set_(storage)
    return device(host(tensor).clone()).untyped_storage()


def _contiguous_strides(size: Any) -> tuple[int, ...]:
    return torch.empty(size, device="meta").stride()


_NOWHERE = ctypes.c_byte()  # an address for storages without memory
