"""The steps that give torch a CUDA device."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable
from typing import Any

import torch

from .. import _autograd
from . import _copies, _exit, _gpu_build, _kernels, _pinned, _refusals, _selftest, _state, _torch_cuda, _vtable

_libraries: list[torch.library.Library] = []  # their kernels are removed when they are collected


def install() -> None:
    """Install everything, then test it.

    Raises:
        AuditError: the self-test failed.
    """
    _vtable.install_device_guard()
    _torch_cuda.install()
    _register_kernels()
    _register_pinned_memory()
    _refusals.install()
    _autograd.connect()
    os.register_at_fork(after_in_child=_mark_forked)
    _selftest.run()
    _exit.install()


def _register_kernels() -> None:
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(_kernels.kernel, "CUDA")
    _libraries.append(fallback)
    own = _own_kernels()
    _register("aten", own)
    if _gpu_build.is_gpu_build():
        known = {f"aten::{name}" for name in own}
        _replace_gpu_kernels(known)
        _refusals.after_import("torchvision", lambda module: _replace_gpu_kernels(known))


def _own_kernels() -> dict[str, Callable[..., Any]]:
    """Return, by operator of ``aten``, the kernels that do more than run the CPU's, or that must not be composite."""
    aten = torch.ops.aten
    own: dict[str, Callable[..., Any]] = {
        "copy_": _copies.copy_,
        "resize_": _copies.resize_,
        "record_stream": lambda tensor, stream: None,
        "_efficientzerotensor": _torch_cuda.zeros_without_memory,
    }
    own |= {_overload(getattr(aten.set_, name)): _copies.set_ for name in aten.set_.overloads()}
    own |= {_overload(op): functools.partial(_kernels.kernel, op) for op in _kernels.WHOLE}
    for name in ("_use_cudnn_ctc_loss", "_use_miopen_ctc_loss"):
        own |= dict.fromkeys((name, f"{name}.Tensor"), lambda *args, **kwargs: False)
    return own


def _replace_gpu_kernels(known: set[str]) -> None:
    """Replace every CUDA kernel that is registered now, except those of ``known`` operators."""
    kernels: dict[str, dict[str, Callable[..., Any]]] = {}
    for op in _gpu_build.operators(known):
        name = _overload(op)
        run = _kernels.composite if name in _kernels.COMPOSITE else _kernels.kernel
        kernels.setdefault(op.namespace, {})[name] = functools.partial(run, op)
    for namespace, implementations in kernels.items():
        _register(namespace, implementations)


def _register(namespace: str, kernels: dict[str, Callable[..., Any]]) -> None:
    library = torch.library.Library(namespace, "IMPL", "CUDA")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that a GPU build's kernel is replaced, which is intended
        for name, kernel in kernels.items():
            library.impl(name, kernel, allow_override=True)
    _libraries.append(library)


def _register_pinned_memory() -> None:
    aten = torch.ops.aten
    cpu = torch.library.Library("aten", "IMPL", "CPU")
    cpu.impl("is_pinned", _pinned.is_pinned)
    cpu.impl("_pin_memory", _pinned.pin_memory)
    select = torch.library.Library("aten", "IMPL", "BackendSelect")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the override is intended
        for op in (aten.empty.memory_format, aten.empty_strided.default):
            select.impl(_overload(op), _pinned.factory(op), allow_override=True)
    _libraries.extend([cpu, select])


def _overload(op: Any) -> str:
    name: str = op._schema.name.partition("::")[2]
    return f"{name}.{op._schema.overload_name}" if op._schema.overload_name else name


def _mark_forked() -> None:
    _state.forked = True
