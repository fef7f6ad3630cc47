"""Count what a GPU would launch kernels for, on the simulated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

if TYPE_CHECKING:
    from typing_extensions import Self


class Launches(TorchDispatchMode):
    """Counts operators, views aside, that return or are given a tensor on the GPU; a copy to or from it is one, too.

    Attributes:
        count: since this was made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._lists = _Lists(self)

    def __enter__(self) -> Self:
        self._lists.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._lists.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        on_device = any(isinstance(one, torch.Tensor) and one.is_cuda for one in (result, *args))
        self.count += on_device and not func.is_view
        return result


class _Lists(TorchFunctionMode):
    """Counts ``torch.tensor`` of a list with scalars on the GPU, inside which PyTorch fails an assertion under a dispatch mode.

    It reads the scalars one by one, and uploads the list.
    """

    def __init__(self, launches: Launches) -> None:
        super().__init__()
        self._launches = launches

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        scalars = args[0] if func is torch.tensor and args and isinstance(args[0], list) else []
        reads = sum(isinstance(one, torch.Tensor) and one.is_cuda for one in scalars)
        if not reads:
            return func(*args, **(kwargs or {}))
        with _disable_current_modes():
            made = func(*args, **(kwargs or {}))
        self._launches.count += reads + made.is_cuda
        return made
