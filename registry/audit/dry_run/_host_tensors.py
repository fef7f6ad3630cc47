"""CPU tensors over the memory of the dry-run device, and what an operator's operands and results have to do with them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_map

from . import _random


def host(tensor: torch.Tensor) -> torch.Tensor:
    """Return a CPU tensor over the memory of a tensor of the dry-run device."""
    if tensor.is_conj():
        return host(tensor.conj()).conj()
    if tensor.is_neg():
        return host(tensor._neg_view())._neg_view()
    storage = tensor.untyped_storage()
    if storage.nbytes() == 0:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    memory = (ctypes.c_char * storage.nbytes()).from_address(storage.data_ptr())
    own = torch.frombuffer(memory, dtype=torch.uint8).untyped_storage()
    return torch.empty(0, dtype=tensor.dtype).set_(own, tensor.storage_offset(), tensor.shape, tensor.stride())


def on_host(value: Any) -> Any:
    """Return what stands for a tensor, device or generator on the host; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return host(value) if value.is_cuda else value
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    if isinstance(value, torch.Generator) and value.device.type == "cuda":
        return _random.stand_in(value)
    return value


def is_on_device(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether an operator has a tensor of the device among its operands, or is asked for one."""
    return bool(tensors((args, kwargs), lambda tensor: tensor.is_cuda)) or torch.device(kwargs.get("device") or "cpu").type == "cuda"


def tensors(values: Any, wanted: Callable[[torch.Tensor], bool]) -> list[torch.Tensor]:
    """Return the wanted tensors among nested values."""
    found: list[torch.Tensor] = []
    tree_map(lambda value: found.append(value) if isinstance(value, torch.Tensor) and wanted(value) else None, values)
    return found


def written_operands(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """Return the operands on the device that an operator writes."""
    found = []
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            found += tensors(value, lambda tensor: tensor.is_cuda)
    return found


def with_values(values: Any, result: Any, operands: tuple[Any, ...]) -> Any:
    """Return the device's results with the host's values; operands that the host wrote are the caller's own."""
    if isinstance(values, (list, tuple)):
        results = result if isinstance(result, (list, tuple)) and len(result) == len(values) else [None] * len(values)
        return type(values)(with_values(*pair, operands) for pair in zip(values, results, strict=True))
    if values is None:
        return result
    if not isinstance(values, torch.Tensor):
        return values
    for operand in tensors(operands, lambda tensor: tensor.is_cuda):
        if values.numel() and operand.data_ptr() == values.data_ptr() and operand.shape == values.shape:
            return operand
    if isinstance(result, torch.Tensor) and (result.shape, result.dtype) == (values.shape, values.dtype):
        into = host(result) if result.is_cuda else result
        if into.data_ptr() != values.data_ptr():
            into.copy_(values)
        return result
    new = torch.empty_strided(values.shape, values.stride(), dtype=values.dtype, device="cuda")
    host(new).copy_(values)
    return new
