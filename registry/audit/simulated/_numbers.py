"""Arithmetic between a tensor and one number, where CUDA's kernels round otherwise than the CPU's.

A number of the host (a Python number or a 0-dim CPU tensor) stays as precise as the kernel computes: float32 for float16 and bfloat16.
A 0-dim operand on the device is cast to the dtype of the result first. Division by a number of the host is multiplication by its
reciprocal (``aten/src/ATen/native/cuda/BinaryDivTrueKernel.cu``); with a rounding mode the CPU's division stays. So a number that
moves between host and device changes bits here, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

_REDUCED = (torch.float16, torch.bfloat16)
_COMPUTED_IN = {
    **dict.fromkeys((torch.float16, torch.bfloat16, torch.float32), torch.float32),
    **{dtype: dtype for dtype in (torch.float64, torch.complex64, torch.complex128)},
}
_KEPT_PRECISE_BY_THE_CPU = {"mul", "div", "floor_divide"}
_CAST_BY_THE_CPU = {"add", "sub", "rsub", "eq", "ne"}
NAMES = {f"{name}{suffix}" for name in _KEPT_PRECISE_BY_THE_CPU | _CAST_BY_THE_CPU for suffix in ("", "_")}
"""The operators that this module knows."""


def run(name: str, host_args: Sequence[Any], host_kwargs: dict[str, Any], args: Sequence[Any]) -> Any:
    """Run an operator on CPU tensors as its CUDA kernel would; ``NotImplemented`` where the CPU's kernel does the same.

    Args:
        name: of the operator, without namespace and overload; one of `NAMES`.
        host_args: the operands, with CPU tensors in the place of the device's.
        args: the operands on the device, to tell them from those of the host.
    """
    base = name.removesuffix("_")
    number = next((index for index in (0, 1) if _is_of_host(args[index])), None)
    if number is None:
        return _with_cast_operands(base, name, host_args, host_kwargs)
    common = _result_type(host_args[0], host_args[1])
    if base == "div" and number == 1 and common in _COMPUTED_IN and host_kwargs.get("rounding_mode") is None:
        return _call("mul", name, (host_args[0], _reciprocal(host_args[0], host_args[1], common)), _out(host_kwargs))
    if base in _CAST_BY_THE_CPU and common in _REDUCED:
        operands = [value.float() if _is_wide(value) else value for value in host_args[:2]]
        if name in ("eq", "ne"):
            return _call(base, name, operands, host_kwargs)
        if name == base and "out" not in host_kwargs:
            return _call(base, name, operands, host_kwargs).to(common)
        return _call(base, base, operands, {"out": host_args[0], **host_kwargs})
    return NotImplemented


def _is_of_host(value: Any) -> bool:
    return isinstance(value, (int, float, complex)) or (isinstance(value, torch.Tensor) and not value.is_cuda)


def _is_wide(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in _REDUCED


def _with_cast_operands(base: str, name: str, host_args: Sequence[Any], host_kwargs: dict[str, Any]) -> Any:
    """Run an operator of two tensors of the device, whose CPU kernel would keep a 0-dim one more precise than its result."""
    first, second = host_args[:2]
    if base not in _KEPT_PRECISE_BY_THE_CPU or bool(first.dim()) == bool(second.dim()) or first.dtype == second.dtype:
        return NotImplemented
    common = torch.result_type(first, second)
    if common not in _REDUCED:
        return NotImplemented
    operands = [value if value.dim() else value.to(common) for value in (first, second)]
    return _call(base, name, operands, host_kwargs)


def _result_type(first: Any, second: Any) -> torch.dtype:
    found = torch.result_type(first, second)
    return found if found.is_floating_point or found.is_complex else torch.get_default_dtype()


def _reciprocal(tensor: torch.Tensor, number: Any, common: torch.dtype) -> Any:
    """Return 1 / number as precise as the kernel computes; a Python number where the tensor has the result's dtype already."""
    precise = _COMPUTED_IN[common]
    inverse = torch.ones((), dtype=precise) / torch.as_tensor(number, dtype=precise)
    return inverse.item() if tensor.dtype == common or not isinstance(number, torch.Tensor) else inverse.to(common)


def _out(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key == "out"}


def _call(base: str, name: str, operands: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Call the function ``base``, in place if the operator is."""
    if name.endswith("_"):
        return getattr(operands[0], f"{base}_")(operands[1], **kwargs)
    return getattr(torch, base)(*operands, **kwargs)
