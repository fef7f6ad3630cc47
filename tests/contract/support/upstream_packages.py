"""Whole packages of framework releases, several releases in one process, each under a name of its own."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.environments import unpacked


@functools.cache
def diffusers(release: str) -> ModuleType:
    """Import diffusers of a release as ``diffusers_0_42_1``, with its real ``__init__`` and everything it imports."""
    return _import_as(f"diffusers_{release.replace('.', '_')}", unpacked("diffusers", release) / "diffusers")


@functools.cache
def sglang_scheduler(release: str, module: str) -> ModuleType:
    """Import one module of ``sglang.multimodal_gen.runtime.models.schedulers``.

    The packages around it are stand-ins, because their ``__init__`` import the whole engine, and so are the platform (no NPU),
    the logger and what reinforcement learning adds; what the module itself imports of SGLang and of diffusers is real otherwise.
    """
    root = unpacked("sglang", release)
    package = "sglang.multimodal_gen.runtime.models.schedulers"
    parts = package.split(".")
    stand_ins: dict[str, ModuleType] = {}
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        stand_ins[name] = types.ModuleType(name)
        stand_ins[name].__path__ = [str(root.joinpath(*parts[:depth]))]
    runtime = "sglang.multimodal_gen.runtime"
    for name, holds in {
        f"{runtime}.platforms": {"current_platform": types.SimpleNamespace(is_npu=lambda: False)},
        f"{runtime}.post_training.scheduler_rl_mixin": {"SchedulerRLMixin": type("SchedulerRLMixin", (), {})},
        f"{runtime}.utils.logging_utils": {"init_logger": logging.getLogger},
    }.items():
        stand_ins[name] = types.ModuleType(name)
        vars(stand_ins[name]).update(holds)
    library = diffusers("0.37.0")
    names = {
        "diffusers" + name.removeprefix(library.__name__): value
        for name, value in tuple(sys.modules.items())
        if name == library.__name__ or name.startswith(f"{library.__name__}.")
    }
    with _borrowed(stand_ins | names, ("sglang", "diffusers")):
        return importlib.import_module(f"{package}.{module}")


def _import_as(name: str, folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    for module in ("configuration_utils", "utils", "schedulers.scheduling_utils"):
        importlib.import_module(f"{name}.{module}")
    return sys.modules[name]


@contextmanager
def _borrowed(modules: dict[str, ModuleType], packages: tuple[str, ...]) -> Iterator[None]:
    """Have these modules in ``sys.modules``; afterwards none of these packages is there."""
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in tuple(sys.modules):
            if name.split(".")[0] in packages:
                del sys.modules[name]
