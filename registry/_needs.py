"""The needs of implementations and their checks; not cached, because torch may be imported later."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable

from ._errors import or_default
from ._hook import SHARED_MEMORY
from ._modules import is_importing


def _importable(module: str) -> bool:
    """Return whether a module can be found; False while it is being imported, or when a finder raises."""
    if is_importing(sys.modules.get(module)):
        return False
    return or_default(lambda: importlib.util.find_spec(module) is not None, False)


def _cuda() -> bool:
    def available() -> bool:
        import torch

        return bool(torch.cuda.is_available())

    return _importable("torch") and or_default(available, False)  # importing torch raises when its libraries are missing


def _one_node() -> bool:
    world, local = os.environ.get("WORLD_SIZE"), os.environ.get("LOCAL_WORLD_SIZE")
    return world is None or local is None or world == local


NEED_CHECKS: dict[str, Callable[[], bool]] = {
    "torch": lambda: _importable("torch"),
    "triton": lambda: _importable("triton"),
    "cuda": _cuda,
    "one_node": _one_node,
    SHARED_MEMORY: lambda: hasattr(os, "memfd_create"),
    "flashinfer": lambda: _importable("flashinfer"),
}
"""Need, then whether it is met; the needs are `_hook.NEEDS`."""
