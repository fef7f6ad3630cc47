"""Clear errors for what cannot run on the simulated device: Inductor, CUDA graphs, Triton kernels and NCCL."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn

import torch

from .._errors import AuditError


def install() -> None:
    """Install the refusals, also in modules that are imported later."""
    for name in ("CUDAGraph", "graph", "make_graphed_callables"):
        setattr(torch.cuda, name, _NoGraphs)
    after_import("torch._inductor.compile_fx", _refuse_inductor)
    after_import("torch.distributed.distributed_c10d", _refuse_nccl)
    after_import("triton.runtime.jit", _refuse_triton)
    after_import("triton.runtime.interpreter", _refuse_triton_interpreter)


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """Implement ``torch.cuda.set_sync_debug_mode``, of which only the default is there: the device neither warns nor raises by itself."""
    if debug_mode not in (0, "default"):
        raise AuditError(
            f"torch.cuda.set_sync_debug_mode({debug_mode!r}) does not exist on the simulated CUDA device, whose waits an audit lists: "
            "leave the call out, or audit with --backend dry-run"
        )


class _NoGraphs:
    """A class, because annotations refer to it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError("CUDA graphs do not exist on the simulated CUDA device: audit without graph capture")


def _refuse_inductor(module: ModuleType) -> None:
    compile_fx: Callable[..., Any] = module.compile_fx

    @functools.wraps(compile_fx)
    def refuse(graph: Any, example_inputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, torch.Tensor) and value.is_cuda for value in example_inputs):
            raise AuditError(
                "Inductor has no code generator for the simulated CUDA device: audit the code uncompiled "
                "(TORCH_COMPILE_DISABLE=1), or with torch.compile(backend='eager')"
            )
        return compile_fx(graph, example_inputs, *args, **kwargs)

    module.compile_fx = refuse  # type: ignore[attr-defined]


def _refuse_nccl(module: ModuleType) -> None:
    """Make NCCL raise before it calls the driver, after which some releases of torch end the process.

    A CPU build has no such class.
    """

    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError("NCCL cannot run on the simulated CUDA device: audit one process, or use the backend 'cpu:gloo'")

    if hasattr(module, "ProcessGroupNCCL"):
        module.ProcessGroupNCCL.__init__ = refuse


_TRITON = "the Triton kernel {name} cannot run on the simulated CUDA device: replace it by a PyTorch form of that kernel for the audit"


def _refuse_triton(module: ModuleType) -> None:
    def run(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditError(_TRITON.format(name=getattr(self, "__name__", repr(self))))

    module.JITFunction.run = run


def _refuse_triton_interpreter(module: ModuleType) -> None:
    run = module.GridExecutor.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, torch.Tensor) and value.is_cuda for value in (*args, *kwargs.values())):
            raise AuditError(_TRITON.format(name=getattr(self.fn, "__name__", repr(self.fn))))
        return run(self, *args, **kwargs)

    module.GridExecutor.__call__ = call


def after_import(name: str, change: Callable[[ModuleType], None]) -> None:
    """Call ``change`` with a module when it has executed; at once if it already has."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        _finder().changes[name] = change


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules it waits for through the other finders, and wraps their loader."""

    def __init__(self) -> None:
        self.changes: dict[str, Callable[[ModuleType], None]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        change = self.changes.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                change(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    added = _Finder()
    sys.meta_path.insert(0, added)
    return added
