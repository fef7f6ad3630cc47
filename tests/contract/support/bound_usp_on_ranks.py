"""SGLang's own module ``usp`` on the ranks of a pool, imported and bound there as in its engine; what it needs around it is a stand-in."""

from __future__ import annotations

import importlib
import os
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
import torch.distributed as dist

import syncfree
from syncfree import _switcher
from syncfree._lockstep import agree
from tests.contract.support.usp_on_ranks import SequenceParallelGroup

HOOK = "sequence_parallel_all_to_all"
RUNTIME = "sglang.multimodal_gen.runtime"


def import_usp(folder: Path, choices: list[str]) -> str:
    """Import ``usp`` of an unpacked release under ``choices[rank]`` of the environment; return the choice in the plan."""
    os.environ[f"SYNCFREE_{HOOK.upper()}"] = choices[dist.get_rank()]
    sys.path.insert(0, str(folder))
    group = SequenceParallelGroup()
    state = stand_in(f"{RUNTIME}.distributed.parallel_state", folder)
    state.get_sp_group = lambda: group  # type: ignore[attr-defined]
    state.get_ulysses_parallel_world_size = dist.get_world_size  # type: ignore[attr-defined]
    stand_in("sglang.srt.utils.common", folder).torch_release = ()  # type: ignore[attr-defined]
    stand_in(f"{RUNTIME}.layers", folder)
    syncfree.load("sglang")
    importlib.import_module(f"{RUNTIME}.layers.usp")
    return chosen()


def stand_in(name: str, folder: Path) -> ModuleType:
    """Put an empty module of this name, and empty packages around it, in ``sys.modules``."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        package = ".".join(parts[:depth])
        if package not in sys.modules:
            sys.modules[package] = ModuleType(package)
            sys.modules[package].__path__ = [str(folder.joinpath(*parts[:depth]))]
    return sys.modules[name]


def use(choices: list[str | None], seconds: float = 60.0, delays: list[float] | None = None) -> tuple[str, str]:
    """Every rank switches to ``choices[rank]`` together (None: it does nothing); the error, and the choice afterwards."""
    choice = choices[dist.get_rank()]
    time.sleep(delays[dist.get_rank()] if delays else 0)
    with patch.object(_switcher, "agree", partial(agree, seconds=seconds)):
        try:
            if choice is not None:
                syncfree.use(all_ranks=True, **{HOOK: choice})
        except syncfree.SelectionError as error:
            return str(error), chosen()
    return "", chosen()


def register_raising(modules: list[str], folder: Path) -> None:
    """Take in the plugin ``raising``, whose implementation this rank imports from ``modules[rank]`` in a folder."""
    sys.path.insert(0, str(folder))

    class Raising:
        @staticmethod
        @syncfree.hookimpl(lockstep=True, implementation=f"{modules[dist.get_rank()]}:{HOOK}")
        def sequence_parallel_all_to_all(tensors: object, group: object) -> None:
            """Only declares."""

    syncfree.register(Raising(), "raising")


def patch_over() -> None:
    """The last rank puts another function over the bound one."""
    usp = sys.modules[f"{RUNTIME}.layers.usp"]
    bound = usp._usp_all_to_all_single
    if dist.get_rank() == dist.get_world_size() - 1:
        usp._usp_all_to_all_single = lambda *arguments: bound(*arguments)
        usp.patched_by_the_test = bound


def patch_away() -> None:
    """Undo `patch_over`."""
    usp = sys.modules[f"{RUNTIME}.layers.usp"]
    usp._usp_all_to_all_single = vars(usp).pop("patched_by_the_test", usp._usp_all_to_all_single)


def use_alone(choice: str) -> tuple[str, str]:
    """Every rank switches for itself; the error, and the choice afterwards."""
    try:
        syncfree.use(**{HOOK: choice})
    except syncfree.SelectionError as error:
        return str(error), chosen()
    return "", chosen()


def exchange() -> list[float]:
    """Return what this rank receives when every rank sends its number to all."""
    usp = sys.modules[f"{RUNTIME}.layers.usp"]
    received: torch.Tensor = usp._usp_all_to_all_single(torch.full((dist.get_world_size(),), float(dist.get_rank())))
    return received.tolist()


def chosen() -> str:
    """The choice at ``usp._usp_all_to_all_single``."""
    target = f"{RUNTIME}.layers.usp:_usp_all_to_all_single"
    (entry,) = [entry for entry in syncfree.plan() if entry.targets == (target,)]
    return entry.choice
