"""Kernels that move or replace memory: ``copy_``, ``set_``, ``resize_`` and storage clones."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from .._record import Kind
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
    is_one = _is_one_transfer(self, src)
    is_queued = non_blocking and is_pinned(src) and (is_one or _is_whole(src, self))
    if src.numel() and not is_queued:
        _ordering.host_waits(Kind.STAGED if non_blocking else Kind.H2D, _OP, src.shape, hard=not non_blocking)
    if is_queued and is_one and _ordering.STATE.is_poisoning and src.numel():
        _ordering.queue_copy(src, src, self, is_download=False)
    host(self).copy_(src)


def _download(self: torch.Tensor, src: torch.Tensor, non_blocking: bool) -> None:
    # The device converts and makes dense. A destination that is not dense is filled from pageable memory.
    is_one = _is_one_transfer(self, src)
    is_queued = non_blocking and is_pinned(self) and (is_one or _is_whole(self, src))
    if src.numel() and not is_queued:
        # The driver returns from a copy to pageable memory when it is done: a wait, even with non_blocking=True.
        _ordering.host_waits(Kind.STAGED if non_blocking else Kind.D2H, _OP, src.shape)
    if is_queued and is_one and _ordering.STATE.is_poisoning and src.numel():
        _ordering.queue_copy(self, host(src).clone(), src, is_download=True)
    else:
        self.copy_(host(src))


def _is_whole(on_host: torch.Tensor, on_device: torch.Tensor) -> bool:
    """Return whether the host's side is transferred as it lies in memory, and the rest is done on the device."""
    return on_host.is_contiguous() and on_host.shape == on_device.shape and not (on_host.is_conj() or on_host.is_neg())


def _is_one_transfer(destination: torch.Tensor, source: torch.Tensor) -> bool:
    """Return whether one ``cudaMemcpyAsync`` between the two tensors' own memory is enough."""
    if destination.dtype != source.dtype or destination.shape != source.shape:
        return destination.dtype == source.dtype and destination.numel() == source.numel() == 1
    if destination.is_conj() != source.is_conj() or destination.is_neg() != source.is_neg():
        return False
    if destination.is_contiguous() and source.is_contiguous():
        return True
    return destination.stride() == source.stride() and _is_dense(source)


def _is_dense(tensor: torch.Tensor) -> bool:
    """Return whether the elements fill their memory without gaps and overlaps, in any order of the dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


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
