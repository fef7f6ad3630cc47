"""Replace the parts of ``torch.cuda`` that need a driver, so that it reports one GPU."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import torch

from . import _copies, _gpu_build, _refusals, _streams
from ._forge import device as forge

_MEMORY = 1 << 36
_CAPABILITY = (9, 0)
_PROPERTIES = SimpleNamespace(
    name="simulated",
    major=_CAPABILITY[0],
    minor=_CAPABILITY[1],
    total_memory=_MEMORY,
    multi_processor_count=1,
    warp_size=32,
)


class _DeviceGuard(contextlib.nullcontext[None]):
    """``torch.cuda.device(d)``; the only device is always current."""

    def __init__(self, device: Any) -> None:
        super().__init__()


def install() -> None:
    """Replace the functions of ``torch.cuda`` that would raise without a GPU."""
    stand_ins: dict[str, Any] = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "is_bf16_supported": lambda including_emulation=True: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "_exchange_device": lambda device: 0,
        "_maybe_exchange_device": lambda device: 0,
        "set_device": lambda device: None,
        "device": _DeviceGuard,
        "get_device_name": lambda device=None: _PROPERTIES.name,
        "get_device_capability": lambda device=None: _CAPABILITY,
        "get_device_properties": lambda device=None: _PROPERTIES,
        "mem_get_info": lambda device=None: (_MEMORY, _MEMORY),
        "Stream": _streams.Stream,
        "Event": _streams.Event,
        "current_stream": _streams.current_stream,
        "default_stream": _streams.default_stream,
        "set_stream": _streams.set_stream,
        "stream": _streams.stream,
        "synchronize": _streams.synchronize,
        "manual_seed": lambda seed: None,  # torch.manual_seed seeds the CPU generator, which the device uses
        "manual_seed_all": lambda seed: None,
        "initial_seed": torch.initial_seed,
        "seed": lambda: None,
        "seed_all": lambda: None,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: torch.set_rng_state(state),
        "default_generators": (torch.default_generator,),
        "is_current_stream_capturing": lambda: False,
        "empty_cache": lambda: None,
        "ipc_collect": lambda: None,
        "get_sync_debug_mode": lambda: 0,
        "set_sync_debug_mode": _refusals.set_sync_debug_mode,
        "memory_stats": lambda device=None: {},
    }
    for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"):
        stand_ins[name] = lambda device=None: 0
    for name in ("reset_peak_memory_stats", "reset_max_memory_allocated"):
        stand_ins[name] = lambda device=None: None
    for name, value in stand_ins.items():
        setattr(torch.cuda, name, value)
    for name in ("range_push", "range_pop", "mark"):
        setattr(torch.cuda.nvtx, name, lambda *args: None)
    torch.accelerator.synchronize = _streams.synchronize_accelerator
    torch.Generator = _streams.Generator  # type: ignore[misc]
    torch._C._jit_override_can_fuse_on_gpu(False)  # TorchScript would compile CUDA code
    if _gpu_build.is_gpu_build():
        _gpu_build.replace_driver_calls()
    _let_tensors_name_streams()
    _patch_storages()


def _let_tensors_name_streams() -> None:
    """Make ``tensor.record_stream`` accept the stand-in for a stream, as a no-op: the device never reuses memory early."""
    record_stream = torch.Tensor.record_stream

    def record(tensor: torch.Tensor, stream: Any) -> None:
        if not (tensor.is_cuda and isinstance(stream, _streams.Stream)):
            record_stream(tensor, stream)

    torch.Tensor.record_stream = record  # type: ignore[assignment, method-assign]


def _patch_storages() -> None:
    """Support cloning storages on the device and moving them to it, as ``torch.load(map_location="cuda")`` does."""
    storage_class: Any = torch.UntypedStorage
    storage_module: Any = torch.storage
    clone, move = storage_class.clone, storage_module._to

    def clone_storage(storage: torch.UntypedStorage) -> Any:
        return _copies.clone_storage(storage) if storage.device.type == "cuda" else clone(storage)

    def move_storage(storage: torch.UntypedStorage, device: torch.device, non_blocking: bool = False) -> Any:
        if device.type == "cuda" and storage.device.type == "cpu":
            elements = torch.empty(0, dtype=torch.uint8).set_(storage)
            return elements.to("cuda", non_blocking=non_blocking).untyped_storage()
        return move(storage, device, non_blocking)

    storage_class.clone = clone_storage
    storage_module._to = move_storage


def zeros_without_memory(size: Any, dtype: torch.dtype | None = None, **_: Any) -> torch.Tensor:
    """Run ``aten::_efficientzerotensor``; the result gets memory, which torch's own kernel does not allocate."""
    return forge(torch.zeros(size, dtype=dtype))
