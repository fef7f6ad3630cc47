"""Numbers that multiply samples, as 0-dim tensors on the host, which torch multiplies with in half the time of a number.

Torch makes a tensor of a Python number at each operator. Both are scalars of the same kernels, which read them in the precision
that they compute in: float64 for float64 samples, float32 otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Factors = tuple[torch.Tensor, ...]
_PRECISIONS = {
    torch.float64: torch.float64,
    torch.float32: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
}


def make_factors_for(*numbers: float) -> Callable[[list[torch.Tensor]], Factors | None]:
    """Make the function that returns numbers as tensors to multiply samples with, on their right.

    It returns None where the result could be another one than with numbers: for subclasses, samples of several dtypes, 0-dim
    ones and those that are no floats.
    """
    kept: dict[torch.dtype, Factors] = {}

    def factors_for(samples: list[torch.Tensor]) -> Factors | None:
        newest = samples[-1]
        if type(newest) is not torch.Tensor:
            return None
        dtype = newest.dtype
        for one in samples:
            if type(one) is not torch.Tensor or one.dtype is not dtype or not one.dim():
                return None
        found = kept.get(dtype)
        if found is None and dtype in _PRECISIONS:
            with torch.inference_mode(False):  # inference tensors kept for later would break who needs gradients
                found = tuple(torch.tensor(one, dtype=_PRECISIONS[dtype], device="cpu") for one in numbers)
            if all(type(one) is torch.Tensor for one in found):  # no mode of the caller's has made something else of them
                kept[dtype] = found
        return found

    return factors_for
