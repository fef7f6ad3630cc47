"""Numbers as 0-dim tensors on the host: the same products, bit for bit, as with Python's numbers, or none."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from syncfree.adapters.diffusers.host_timestep.constants import make_factors_for

NUMBERS = (55, 59, 37, 9, 1 / 24, 1 / 3)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def products(samples: torch.Tensor, factors: Any) -> list[torch.Tensor]:
    return [samples * factor for factor in factors]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_products_equal_those_with_numbers_bit_for_bit(dtype: torch.dtype) -> None:
    samples = torch.randn(4, 999, generator=torch.Generator().manual_seed(0)).to(dtype)
    factors = make_factors_for(*NUMBERS)([samples, samples])
    assert factors is not None
    for number, one, other in zip(NUMBERS, products(samples, NUMBERS), products(samples, factors), strict=True):
        assert other.dtype is dtype
        assert torch.equal(one, other)
        assert torch.equal(number * samples, other)


class Marked(torch.Tensor):
    pass


ODD: dict[str, Any] = {
    "a scalar": [torch.tensor(2.0), torch.tensor(2.0)],
    "integers": [torch.ones(3, dtype=torch.int64)],
    "complex numbers": [torch.ones(3, dtype=torch.complex64)],
    "two dtypes": [torch.ones(3), torch.ones(3).half()],
    "a subclass": [torch.ones(3).as_subclass(Marked)],
    "a number": [torch.ones(3), 2.0],
}


@pytest.mark.parametrize("name", ODD)
def test_for_samples_that_promote_otherwise_there_are_no_factors(name: str) -> None:
    assert make_factors_for(*NUMBERS)(ODD[name]) is None


def test_factors_made_in_inference_mode_serve_whoever_needs_gradients() -> None:
    factors_for = make_factors_for(3)
    with torch.inference_mode():
        factors_for([torch.ones(2)])
    samples = torch.ones(2, requires_grad=True)
    factors = factors_for([samples])
    assert factors is not None
    (samples * factors[0]).sum().backward()
    assert torch.equal(samples.grad, torch.full((2,), 3.0))  # type: ignore[arg-type]


def test_factors_that_a_users_mode_made_something_else_of_are_not_kept() -> None:
    class Marking(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            return result.as_subclass(Marked) if type(result) is torch.Tensor else result

    factors_for, samples = make_factors_for(3), torch.ones(2)
    with Marking():
        factors_for([samples])
    factors = factors_for([samples])
    assert factors is not None
    assert type(factors[0]) is torch.Tensor
