"""The state of a call and of a scheduler that a user can see, as plain values that are equal when they are equal bit for bit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ctypes import string_at
from typing import Any

import numpy as np
import torch

_ADDRESS = re.compile(r"0x[0-9a-f]+|\b\d{12,}\b")
_WIDTHS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def outcome(call: Callable[[], Any], *, inference: bool = True) -> tuple[str, Any]:
    """Return what a call returns, or the error that it raises; `inference`: and which tensors were made in inference mode."""
    try:
        return "returned", frozen(call(), inference=inference)
    except Exception as error:  # noqa: BLE001  (whichever upstream raises)
        return "raised", f"{type(error).__name__}: {_ADDRESS.sub('ADDRESS', str(error))}"


def state(scheduler: Any) -> Any:
    """Every attribute of a scheduler. Which tensors were made in inference mode is left out: schedules are not, with ours."""
    return {name: frozen(value, inference=False) for name, value in vars(scheduler).items()}


def frozen(value: Any, *, inference: bool = True) -> Any:
    """A value as it is now."""
    if isinstance(value, torch.Tensor):
        return _tensor(value, inference)
    if isinstance(value, np.ndarray):
        return "array", str(value.dtype), value.shape, value.strides, _bits(torch.from_numpy(np.array(value)))
    if isinstance(value, Mapping):
        return type(value).__name__, [(key, frozen(item, inference=inference)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [frozen(item, inference=inference) for item in value]
    if isinstance(value, torch.Generator):
        return "generator", bytes(value.get_state().tolist())
    if value is None or isinstance(value, (bool, int, float, complex, str, np.generic)):
        return type(value).__name__, repr(value)
    return type(value).__name__


def _tensor(value: torch.Tensor, inference: bool) -> Any:
    seen: list[Any] = [type(value).__name__, str(value.dtype), str(value.device), str(value.layout), tuple(value.shape)]
    seen += [value.requires_grad, value.grad_fn is not None]
    if inference:
        seen.append(value.is_inference())
    if value.device.type == "meta" or type(value).__name__ == "FakeTensor":
        return seen
    if value.layout is not torch.strided:
        return [*seen, _bits(value.detach().to_dense().cpu())]
    return [*seen, value.stride(), _bits(value.detach().cpu())]


def _bits(value: torch.Tensor) -> bytes:
    """The bytes of a tensor on the host; every nan is one: which of two a processor hands on depends on their order."""
    value = value.as_subclass(torch.Tensor).resolve_conj().resolve_neg()
    if value.dtype.is_complex:
        value = torch.view_as_real(value)
    value = value.clone(memory_format=torch.contiguous_format)
    if value.dtype.is_floating_point and value.element_size() > 1:
        value.view(_WIDTHS[value.element_size()]).masked_fill_(value.isnan(), -1)
    return string_at(value.data_ptr(), value.nbytes)
