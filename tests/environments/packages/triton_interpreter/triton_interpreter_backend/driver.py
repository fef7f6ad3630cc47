"""The half of the backend that stands for the device."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase


class InterpreterDriver(DriverBase):
    def __init__(self) -> None:
        """The base class would look for a C compiler's output here."""

    @classmethod
    def is_active(cls) -> bool:
        return True

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cpu", 0, 1)

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: object = None) -> int:
        return 0

    def get_benchmarker(self) -> NoReturn:
        raise NotImplementedError("kernels in the interpreter are not timed")

    def get_empty_cache_for_benchmark(self) -> NoReturn:
        raise NotImplementedError("kernels in the interpreter are not timed")

    def clear_cache(self, cache: Any) -> None:
        pass
