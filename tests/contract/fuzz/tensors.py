"""Tensors of every kind that a sample can be, by name; each is drawn from a seed and has the same bits every time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
OTHER_DTYPES = (
    torch.float64,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.float8_e4m3fn,
)
SHAPES = ((2, 4, 3, 3), (1, 4, 5), (1, 4, 2, 3, 3), (1, 4, 1, 1))
ODD_SHAPES = ((), (1,), (5,), (0,), (0, 4, 3, 3), (2, 0, 3), (2, 4), (1, 1, 1, 1, 1, 2))


class Subclass(torch.Tensor):
    """A tensor of a class of its own, which its results are of, too."""


def normal(random: Random, shape: tuple[int, ...], dtype: torch.dtype, device: str) -> torch.Tensor:
    """Random numbers, made on the host."""
    generator = torch.Generator().manual_seed(random.getrandbits(31))
    drawn = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
    if not dtype.is_floating_point and not dtype.is_complex:
        drawn = drawn * 3
    return drawn.to(dtype).to(device)


def _with(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def put(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.numel() and tensor.dtype.is_floating_point:
            tensor.view(-1)[0] = value
        return tensor

    return put


def _half_of_it(tensor: torch.Tensor) -> torch.Tensor:
    return torch.stack([tensor, tensor], dim=-1)[..., 0]


ODDITIES: dict[str, Callable[[torch.Tensor], object]] = {
    "with a nan": _with(float("nan")),
    "with an infinity": _with(float("inf")),
    "sub-normal": lambda tensor: tensor * 1e-40,
    "zero": lambda tensor: tensor * 0,
    "not contiguous": _half_of_it,
    "transposed": lambda tensor: tensor.transpose(0, -1).contiguous().transpose(0, -1) if tensor.dim() else tensor,
    "expanded": lambda tensor: tensor.flatten()[:1].expand(tensor.shape) if tensor.numel() else tensor,
    "requires gradients": lambda tensor: tensor.clone().requires_grad_(),
    "a parameter": lambda tensor: torch.nn.Parameter(tensor),
    "a subclass": lambda tensor: tensor.as_subclass(Subclass),
    "of inference mode": lambda tensor: _made_in_inference_mode(tensor),
    "on the host": lambda tensor: tensor.cpu(),
    "on meta": lambda tensor: tensor.to("meta"),
    "sparse": lambda tensor: tensor.cpu().to_sparse(),
    "an array": lambda tensor: tensor.float().cpu().numpy(),
    "a list": lambda tensor: tensor.tolist(),
    "a number": lambda tensor: 0.5,
    "nothing": lambda tensor: None,
    "of another batch": lambda tensor: tensor[:1] if tensor.dim() else tensor,
    "of another rank": lambda tensor: tensor[0] if tensor.dim() and len(tensor) else tensor,
}


def _made_in_inference_mode(tensor: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return tensor.clone()
