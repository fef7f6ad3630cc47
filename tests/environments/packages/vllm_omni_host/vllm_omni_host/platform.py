"""The platform: everything on `HostPlatform.device`, no memory to count, PyTorch's own attention."""

from __future__ import annotations

from typing import Any

import torch
from vllm.platforms.cpu import CpuPlatform
from vllm_omni.platforms.interface import OmniPlatform, OmniPlatformEnum


class HostPlatform(OmniPlatform, CpuPlatform):
    """Run diffusion workers on the CPU, or on a simulated GPU once `device` says so."""

    _omni_enum = OmniPlatformEnum.OOT
    device = torch.device("cpu")

    @classmethod
    def get_diffusion_attn_backend_cls(cls, *args: Any, **kwargs: Any) -> str:
        return "vllm_omni_host.attention.HostAttention"

    @classmethod
    def supports_torch_inductor(cls) -> bool:
        return False

    @classmethod
    def get_torch_device(cls, local_rank: int | None = None) -> torch.device:
        return cls.device

    @classmethod
    def get_device_count(cls) -> int:
        return 1

    @classmethod
    def get_device_version(cls) -> str | None:
        return None

    @classmethod
    def set_device(cls, device: torch.device) -> None:
        """There is only one."""

    @classmethod
    def current_device(cls) -> int:
        return 0

    @classmethod
    def synchronize(cls) -> None:
        """Nothing is asynchronous."""

    @classmethod
    def empty_cache(cls) -> None:
        """There is no cache."""

    @classmethod
    def reset_peak_memory_stats(cls) -> None:
        """No peak is kept."""

    @classmethod
    def max_memory_allocated(cls, device: Any = None) -> int:
        return 0

    @classmethod
    def max_memory_reserved(cls, device: Any = None) -> int:
        return 0

    @classmethod
    def get_free_memory(cls, device: torch.device | None = None) -> int:
        return 1 << 30

    @classmethod
    def get_device_memory(cls, device: torch.device | None = None) -> tuple[int, int]:
        return 1 << 30, 1 << 30
