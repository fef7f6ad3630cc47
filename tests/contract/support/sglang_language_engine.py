"""One real module of SGLang's language engine, bound by our adapter, without the engine that its imports are."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import syncfree
from syncfree.adapters.sglang_srt import ADAPTER

STAND_INS = ("sglang", "sgl_kernel", "flashinfer", "torch_npu", "aiter")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds any module of `STAND_INS` but those of the adapter's targets, with any attribute.

    A stand-in's submodules are looked for where the real ones lie.
    """

    def __init__(self, folder: Path, package: str | None) -> None:
        self._folder = folder
        self._package = package
        self._real = {target.partition(":")[0] for binding in ADAPTER.bindings for target in binding.targets}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Find a stand-in."""
        if name in self._real or name.partition(".")[0] not in STAND_INS or self._is_of_the_package(name):
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.submodule_search_locations = [str(self._folder.joinpath(*name.split(".")))]
        return spec

    def _is_of_the_package(self, name: str) -> bool:
        return self._package is not None and f"{name}.".startswith(f"{self._package}.")

    def exec_module(self, module: ModuleType) -> None:
        """Give it any attribute."""
        module.__getattr__ = lambda name: MagicMock(name=name)  # type: ignore[method-assign]


def load_alone(module: str, *, package: str | None = None) -> ModuleType:
    """Import and bind a module of the release on ``sys.path``, in a process of its own; `package` is imported whole, too.

    What it imports of SGLang and of kernel libraries is a stand-in. Of these the logprob functions use one: whether there is
    pinned memory, which is answered as on a GPU.
    """
    folder = next(Path(path) for path in sys.path if (Path(path) / "sglang" / "srt").is_dir())
    sys.meta_path.insert(0, StandIns(folder, package))
    syncfree.load("sglang-srt")
    loaded = importlib.import_module(module)
    if hasattr(loaded, "is_pin_memory_available"):
        loaded.is_pin_memory_available = lambda device: str(device).startswith("cuda")
    return loaded
