"""Patch the method tables of C++ objects that torch has for CUDA, also in a CPU build."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any

import torch

from .._errors import AuditError
from .._method_tables import ROOT, Table, slots, table_of
from . import _gpu_build

_REGISTRY = "_ZN3c104impl26device_guard_impl_registryE"  # an array, by device type
_META = 14
_ALIGNED = 16
_keep_alive: list[object] = []  # C++ points into these for the rest of the process


def install_device_guard() -> None:
    """Give c10 a device guard for CUDA that does nothing, and make the CUDA hooks report that CUDA is available.

    Without a guard ``x[0]`` and autograd reject CUDA tensors; a GPU build's guard calls the driver. torch has a no-op guard,
    but ``_ensureCUDADeviceGuardSet()`` installs it only over a guard that counts no devices, so first a stand-in is installed
    in which every method returns 0. The hooks must report "built", or autograd finds no accelerator. One method serves for
    all return values: ``type()`` is ``DeviceType::CUDA``, which is 1, which is ``true`` and ``Device{CUDA, 0}``.

    Raises:
        AuditError: a CPU build that already has a CUDA device guard, or torch did not accept ours.
    """
    library = ctypes.CDLL(os.path.join(ROOT, "lib", "libc10.so"))
    registry = (ctypes.c_void_p * 2).in_dll(library, _REGISTRY)
    if registry[1] and not _gpu_build.is_gpu_build():
        raise AuditError("this torch already has a CUDA device guard, which the simulated device cannot replace")
    if not hasattr(torch._C, "_ensureCUDADeviceGuardSet"):
        _install_hooks(_guard_by_hand(library))
        return
    zero = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0)
    table = Table(*[ctypes.cast(zero, ctypes.c_void_p).value] * len(Table()))
    stand_in = ctypes.c_void_p(ctypes.addressof(table))
    _keep_alive.extend([zero, table, stand_in])
    registry[1] = ctypes.addressof(stand_in)
    torch._C._ensureCUDADeviceGuardSet()
    guard = registry[1]
    if guard is None or guard == ctypes.addressof(stand_in):
        raise AuditError("torch did not install its no-op CUDA device guard")
    slot = slots("c10/core/impl/DeviceGuardImplInterface.h", "struct C10_API DeviceGuardImplInterface")
    methods = table_of(guard)
    kind = methods[slot["type"]]
    _patch(guard, {slot["getDevice"]: kind, slot["getDefaultStream"]: methods[slot["getStream"]]})
    _install_hooks(kind)


def _guard_by_hand(library: ctypes.CDLL) -> int:
    """Make a device guard for CUDA from the one for Meta, which does nothing; return the method that returns 1.

    For torch before 2.10, which has no ``_ensureCUDADeviceGuardSet``. A stream is returned in two registers, which a callback
    of ctypes cannot do, so the two methods that are replaced are machine code.
    """
    registry = (ctypes.c_void_p * (_META + 1)).in_dll(library, _REGISTRY)
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b801000000c3").ljust(_ALIGNED, b"\xcc"))  # mov eax, 1; ret
    code.write(bytes.fromhex("b80100000031d2c3"))  # mov eax, 1; xor edx, edx; ret: Stream{Device{CUDA, 0}, 0}
    one = ctypes.addressof(ctypes.c_char.from_buffer(code))
    slot = slots("c10/core/impl/DeviceGuardImplInterface.h", "struct C10_API DeviceGuardImplInterface")
    table = Table.from_buffer_copy(table_of(registry[_META] or 0))
    for name in ("type", "getDevice", "exchangeDevice", "record", "block", "queryEvent", "synchronizeEvent"):
        table[slot[name]] = one
    for name in ("getStream", "getDefaultStream", "getNewStream", "exchangeStream"):
        table[slot[name]] = one + _ALIGNED
    guard = ctypes.c_void_p(ctypes.addressof(table))
    _keep_alive.extend([code, table, guard])
    registry[1] = ctypes.addressof(guard)
    return one


def _install_hooks(kind: int | None) -> None:
    """Make the CUDA hooks' queries for a device call ``kind``, which returns 1."""
    library = ctypes.CDLL(os.path.join(ROOT, "lib", "libtorch_cpu.so"))
    get_hooks = library._ZN2at6detail12getCUDAHooksEv
    get_hooks.restype = ctypes.c_void_p
    hooks = get_hooks()
    slot = slots("ATen/detail/AcceleratorHooksInterface.h", "struct TORCH_API AcceleratorHooksInterface")
    methods: dict[int, int | None] = {slot[name]: kind for name in ("isBuilt", "isAvailable", "hasPrimaryContext", "deviceCount")}
    if _gpu_build.is_gpu_build():
        _gpu_build.choose_no_fused_attention(library)
        own = slots("ATen/detail/CUDAHooksInterface.h", "struct TORCH_API CUDAHooksInterface", first=max(slot.values()) + 1)
        real = Table.from_address(_gpu_build.base_hooks(library, hooks))
        # In a build with cuDNN, composites query its version, which needs no driver.
        methods |= {own[name]: real[own[name]] for name in ("versionCuDNN", "versionRuntimeCuDNN")}
    _patch(hooks, methods)


def _patch(address: int, replacements: dict[int, Any]) -> None:
    """Give the C++ object at ``address`` a copy of its method table with some slots replaced."""
    table = Table.from_buffer_copy(table_of(address))
    for slot, method in replacements.items():
        table[slot] = method
    _keep_alive.append(table)
    ctypes.c_void_p.from_address(address).value = ctypes.addressof(table)
