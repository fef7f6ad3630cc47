"""Make a GPU build of torch, on a machine without a GPU, behave like a CPU build.

Three parts of it are specific to CUDA. The hooks object gets the methods of a CPU build. The kernels of dispatch key CUDA
cannot be removed, so the simulated device's are registered over them: the last registration wins. Functions of ``torch._C``
that call the driver get stand-ins.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import torch

_BASE_HOOKS = "_ZTVN2at18CUDAHooksInterfaceE"
_VTABLE_PREFIX = 16  # the offset to the top and the type information come before the methods
_ATTENTION_STUB = "_ZN2at6native22_fused_sdp_choice_stubE"
_CUDA_POINTER = 8  # DispatchStubImpl = {atomic<void*> cpu; void* cuda; ...}
_OF_PROCESS_GROUPS = ("c10d", "symm_mem")  # their CUDA kernels call a process group
_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key


def is_gpu_build() -> bool:
    """Return whether torch was built for CUDA."""
    return torch.version.cuda is not None


def base_hooks(library: ctypes.CDLL, hooks: int) -> int:
    """Give the CUDA hooks at address ``hooks`` the methods of their base class, which a CPU build has. Returns the old table."""
    old = ctypes.c_void_p.from_address(hooks).value
    assert old is not None
    ctypes.c_void_p.from_address(hooks).value = ctypes.addressof(ctypes.c_char.in_dll(library, _BASE_HOOKS)) + _VTABLE_PREFIX
    return old


def choose_no_fused_attention(library: ctypes.CDLL) -> None:
    """Take from scaled_dot_product_attention the function that chooses a fused CUDA kernel by asking the driver for the device.

    Without it, as in a CPU build, attention is composed of other operators.
    """
    stub = ctypes.addressof(ctypes.c_char.in_dll(library, _ATTENTION_STUB))
    ctypes.c_void_p.from_address(stub + _CUDA_POINTER).value = None


def operators(known: set[str]) -> Iterator[Any]:
    """Yield each operator that has a CUDA kernel and is not in ``known``, and add it there.

    Outside ``aten``, operators without a CPU kernel are left out: the device could not run them.
    """
    for full in torch._C._dispatch_get_registrations_for_dispatch_key("CUDA"):
        space, _, name = full.partition("::")
        if full in known or space in _OF_PROCESS_GROUPS or (space != "aten" and not _has_kernel(full, "CPU")):
            continue
        known.add(full)
        base, _, overload = name.partition(".")
        yield getattr(getattr(getattr(torch.ops, space), base), overload or "default")


def replace_driver_calls() -> None:
    """Replace the functions of ``torch._C`` that call the driver by stand-ins that report one device."""
    for name, stand_in in _DRIVER_CALLS.items():
        setattr(torch._C, name, stand_in)


_DRIVER_CALLS: dict[str, Callable[..., Any]] = {
    "_cuda_canDeviceAccessPeer": lambda device, peer: False,
    "_cuda_emptyCache": lambda: None,
    "_cuda_exchangeDevice": lambda device: 0,
    "_cuda_getCurrentRawStream": lambda device: 0,
    "_cuda_getDevice": lambda: 0,
    "_cuda_getDeviceCount": lambda: 1,
    "_cuda_ipc_collect": lambda: None,
    "_cuda_isCurrentStreamCapturing": lambda: False,
    "_cuda_maybeExchangeDevice": lambda device: 0,
    "_cuda_memorySnapshot": lambda *_: {"segments": [], "device_traces": []},
    "_cuda_setDevice": lambda device: None,
    "_cuda_setMemoryFraction": lambda fraction, device: None,
    "_cuda_synchronize": lambda: torch.cuda.synchronize(),
}
