"""Read the logprobs of named tokens in a module of SGLang's language engine. Usage: sglang_scoring.py MODULE FUNCTION...

The module is SGLang's, imported, and bound by our adapter. What it imports of SGLang and of kernel libraries is a stand-in,
because that is the whole engine; the functions use none of it but where a device has pinned memory.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch
from measuring import Measurement, about

import syncfree

HOOK = "sampler_logprob_gather"
TOKENS = [[1, 3], [2], None, [0, 2, 4]]
"""Of four requests."""
STAND_INS = ("sglang", "sgl_kernel", "flashinfer", "torch_npu", "aiter")


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds any module of these packages but one, with any attribute; its submodules are looked for where the real ones lie."""

    def __init__(self, real: str, folder: Path) -> None:
        self._real, self._folder = real, folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Find a stand-in."""
        if name == self._real or name.partition(".")[0] not in STAND_INS:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.submodule_search_locations = [str(self._folder.joinpath(*name.split(".")))]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Give it any attribute."""
        module.__getattr__ = lambda name: MagicMock(name=name)  # type: ignore[method-assign]


def main(module: str, *names: str) -> None:
    folder = next(Path(path) for path in sys.path if (Path(path) / "sglang" / "srt").is_dir())
    sys.meta_path.insert(0, StandIns(module, folder))
    syncfree.load("sglang-srt")
    loaded = importlib.import_module(module)
    loaded.is_pin_memory_available = lambda device: True  # type: ignore[attr-defined]
    on_host = torch.randn(len(TOKENS), 8, generator=torch.Generator().manual_seed(0))
    expected = [on_host[row, torch.tensor(tokens or [], dtype=torch.long)] for row, tokens in enumerate(TOKENS)]
    logprobs = on_host.to("cuda")
    cases: dict[str, Any] = {}
    for name in names:
        measurement = Measurement(HOOK)
        with measurement.step():
            values, ids = getattr(loaded, name)(logprobs, TOKENS)
        right = all(torch.equal(torch.as_tensor(value).cpu(), one) for value, one in zip(values, expected, strict=True))
        cases[name] = {**measurement.told(), "steps": 1, "generated": right and ids == [tokens or [] for tokens in TOKENS]}
    Path(os.environ["RESULT"]).write_text(json.dumps({"about": {**about(), "start_seconds": 0.0}, "cases": cases}))


if __name__ == "__main__":
    main(*sys.argv[1:])
