"""The steps that turn a CPU build into one with a CUDA device."""

from __future__ import annotations

import functools
import os
import warnings
from typing import Any

import torch

from .. import _autograd
from . import _copies, _kernels, _pinned, _refusals, _selftest, _state, _torch_cuda, _vtable

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


def _register_kernels() -> None:
    aten = torch.ops.aten
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(_kernels.kernel, "CUDA")
    library = torch.library.Library("aten", "IMPL", "CUDA")
    library.impl("copy_", _copies.copy_)
    library.impl("resize_", _copies.resize_)
    for op in _kernels.WHOLE:
        library.impl(_overload(op), functools.partial(_kernels.kernel, op))
    for name in aten.set_.overloads():
        library.impl("set_" if name == "default" else f"set_.{name}", _copies.set_)
    library.impl("record_stream", lambda tensor, stream: None)
    for name in ("_use_cudnn_ctc_loss", "_use_miopen_ctc_loss"):
        library.impl(name, lambda *args, **kwargs: False)
        library.impl(f"{name}.Tensor", lambda *args, **kwargs: False)
    library.impl("_efficientzerotensor", _torch_cuda.zeros_without_memory)
    _libraries.extend([fallback, library])


def _register_pinned_memory() -> None:
    aten = torch.ops.aten
    cpu = torch.library.Library("aten", "IMPL", "CPU")
    cpu.impl("is_pinned", _pinned.is_pinned)
    cpu.impl("_pin_memory", _pinned.pin_memory)
    select = torch.library.Library("aten", "IMPL", "BackendSelect")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the override is what we want
        for op in (aten.empty.memory_format, aten.empty_strided.default):
            select.impl(_overload(op), _pinned.factory(op), allow_override=True)
    _libraries.extend([cpu, select])


def _overload(op: Any) -> str:
    name: str = op._schema.name.partition("::")[2]
    return f"{name}.{op._schema.overload_name}" if op._schema.overload_name else name


def _mark_forked() -> None:
    _state.forked = True
