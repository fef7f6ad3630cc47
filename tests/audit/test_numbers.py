"""A number rounds on the simulated device as in a CUDA kernel, so that moving it between host and device changes bits."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.usefixtures("sync_audit")

NUMBERS = (0.1, 1 / 3, 3.3, 7.0)
OPERATORS = ("add", "sub", "rsub", "mul", "div", "eq", "ne")
HALVES = (torch.float16, torch.bfloat16)


def values(dtype: torch.dtype) -> torch.Tensor:
    return (torch.rand(512, generator=torch.Generator().manual_seed(0)) + 0.5).to(dtype)


def by_kernel(name: str, x: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """Compute what a CUDA kernel does: in float32, the division as a product, rounded once."""
    wide = x.float()
    found = wide * (1 / number) if name == "div" else getattr(torch, name)(wide, number)
    return found if found.dtype is torch.bool else found.to(x.dtype)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
def test_a_number_of_the_host_stays_float32(dtype: torch.dtype, name: str, number: float) -> None:
    x, function = values(dtype), getattr(torch, name)
    expected = by_kernel(name, x, torch.tensor(number))
    assert torch.equal(function(x.cuda(), number).cpu(), expected)
    assert torch.equal(function(x.cuda(), torch.tensor(number)).cpu(), expected)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", HALVES)
def test_a_number_of_the_device_is_cast_first(dtype: torch.dtype, name: str, number: float) -> None:
    x = values(dtype)
    found = getattr(torch, name)(x.cuda(), torch.tensor(number, device="cuda")).cpu()
    cast = torch.tensor(number).to(dtype).float()
    expected = getattr(torch, name)(x.float(), cast)
    assert torch.equal(found, expected if expected.dtype is torch.bool else expected.to(dtype))


@pytest.mark.parametrize("dtype", HALVES)
def test_moving_a_number_to_the_device_changes_bits(dtype: torch.dtype) -> None:
    x, number = values(dtype).cuda(), torch.tensor(1 / 3)
    for name in ("add", "mul", "div"):
        assert not torch.equal(getattr(x, name)(number), getattr(x, name)(number.cuda()))


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_in_place_and_out_forms_round_alike(name: str, dtype: torch.dtype) -> None:
    x = values(dtype).cuda()
    expected = getattr(torch, name)(x, 1 / 3)
    changed, out = x.clone(), torch.empty(0, dtype=dtype, device="cuda")
    pointer = changed.data_ptr()
    assert getattr(changed, f"{name}_")(1 / 3) is changed
    assert changed.data_ptr() == pointer
    assert getattr(torch, name)(x, torch.tensor(1 / 3), out=out) is out
    assert torch.equal(changed, expected)
    assert torch.equal(out, expected)


def test_a_factor_alpha_is_computed_in_float32() -> None:
    x = values(torch.float16)
    expected = torch.add(x.float(), torch.tensor(0.1), alpha=3).half()
    assert torch.equal(torch.add(x.cuda(), 0.1, alpha=3).cpu(), expected)


def test_division_by_a_number_is_a_product_and_by_a_device_tensor_is_not() -> None:
    x = values(torch.float32)
    assert not torch.equal(x / 3.3, x * (1 / torch.tensor(3.3)))
    assert torch.equal((x.cuda() / 3.3).cpu(), x * (1 / torch.tensor(3.3)))
    assert torch.equal((x.cuda() / torch.tensor(3.3, device="cuda")).cpu(), x / 3.3)


@pytest.mark.parametrize(
    ("x", "number"),
    [
        (torch.arange(3), 3),
        (torch.arange(3), torch.tensor(3.0, dtype=torch.float64)),
        (torch.tensor(1.0).half(), torch.tensor(3.0)),
        (torch.tensor(1.0).half(), 3.0),
        (torch.ones(2, dtype=torch.complex64), 1 + 2j),
        (torch.ones(2), 1 + 2j),
    ],
)
def test_division_by_a_number_promotes_types_as_on_the_cpu(x: torch.Tensor, number: object) -> None:
    found, expected = x.cuda() / number, x / number  # type: ignore[operator]
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found.cpu(), expected)


def test_an_integer_tensor_cannot_be_divided_in_place() -> None:
    with pytest.raises(RuntimeError, match="can't be cast to"):
        torch.arange(3, device="cuda").div_(2.0)


def test_rounding_modes_divide_as_the_cpu() -> None:
    x = values(torch.float32) * 100
    for mode in ("floor", "trunc"):
        assert torch.equal(torch.div(x.cuda(), 0.3, rounding_mode=mode).cpu(), torch.div(x, 0.3, rounding_mode=mode))
