"""Values on the dry-run device are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from syncfree.audit import Kind, audit, dry_run


@pytest.fixture(autouse=True)
def values() -> Iterator[dry_run.Values]:
    with dry_run.Values() as mode:
        yield mode
    assert mode.missing == {}


def on_both(run: Callable[[str], Any]) -> tuple[list[Any], list[Any]]:
    """Return what a function returns for each device, as lists of CPU tensors."""
    torch.manual_seed(0)
    found = []
    for device in ("cpu", "cuda"):
        result = run(device)
        found.append([one.cpu() for one in (result if isinstance(result, (list, tuple)) else [result])])
    return found[0], found[1]


def numbers(device: str, *shape: int) -> torch.Tensor:
    count = int(torch.Size(shape).numel())
    return (torch.arange(float(count)) - count / 3).view(shape).to(device)


def written_out(device: str) -> torch.Tensor:
    out = torch.empty(0, device=device)
    torch.add(numbers(device, 4), 1, out=out)
    return out


def in_lists(device: str) -> list[torch.Tensor]:
    tensors = [numbers(device, 3), numbers(device, 2)]
    torch._foreach_mul_(tensors, 3.0)
    return tensors


def assigned(device: str) -> torch.Tensor:
    x = numbers(device, 6)
    x[x > 0] = 7.0
    x[torch.tensor([0], device=device)] += 1
    x[1:3].neg_()
    return x


def differentiated(device: str) -> torch.Tensor:
    x = numbers(device, 5).requires_grad_()
    (x.sin() * x).sum().backward()
    assert x.grad is not None
    return x.grad


RUNS: dict[str, Callable[[str], Any]] = {
    "arithmetic": lambda d: numbers(d, 3, 4) * 2 + numbers(d, 4),
    "in place": assigned,
    "an out argument": written_out,
    "lists of tensors": in_lists,
    "a view of a transposed tensor": lambda d: numbers(d, 3, 4).t()[1:].reshape(-1),
    "what may be a copy": lambda d: [numbers(d, 3, 4).t().contiguous(), numbers(d, 3, 4).t().reshape(6, 2).to(torch.float64)],
    "another dtype": lambda d: numbers(d, 5).to(torch.bfloat16).float(),
    "a shape that depends on data": lambda d: [numbers(d, 6).nonzero(), numbers(d, 6).unique(), numbers(d, 6)[numbers(d, 6) > 0]],
    "counts": lambda d: [torch.tensor([1, 2, 2], device=d).bincount(), numbers(d, 6).histc(4)],
    "sorted": lambda d: [*numbers(d, 6).sort(descending=True), *numbers(d, 6).topk(2)],
    "products": lambda d: [numbers(d, 2, 3) @ numbers(d, 3, 2), torch.einsum("ij,kj->ik", numbers(d, 2, 3), numbers(d, 4, 3))],
    "linear algebra": lambda d: [torch.linalg.inv(torch.eye(3, device=d) * 2), torch.linalg.eigvalsh(torch.eye(3, device=d))],
    "a convolution": lambda d: torch.nn.functional.conv2d(numbers(d, 1, 2, 5, 5), numbers(d, 3, 2, 3, 3)),
    "attention": lambda d: torch.nn.functional.scaled_dot_product_attention(*[numbers(d, 1, 2, 4, 8)] * 3),
    "backward": differentiated,
    "complex numbers": lambda d: torch.view_as_real(torch.fft.fft(numbers(d, 4)).conj() * 1j),
    "copies without waiting": lambda d: numbers(d, 4).to("cpu", non_blocking=True),
    "a kernel that is asked for less": lambda d: numbers(d, 0).sum(),
}


@pytest.mark.parametrize("name", RUNS)
def test_values_are_those_of_the_cpu(name: str) -> None:
    on_cpu, on_device = on_both(RUNS[name])
    for one, other in zip(on_cpu, on_device, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(RUNS.keys() - {"backward"}))
def test_values_are_those_of_the_cpu_in_inference_mode(name: str) -> None:
    with torch.inference_mode():
        on_cpu, on_device = on_both(RUNS[name])
    for one, other in zip(on_cpu, on_device, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6)


def test_a_custom_operator_in_python_computes_what_it_calls() -> None:
    library = torch.library.Library("syncfree_test", "FRAGMENT")
    library.define("twice(Tensor x, Tensor(a!) into) -> ()")

    def twice(x: torch.Tensor, into: torch.Tensor) -> None:
        into.copy_((x + x).clone())

    library.impl("twice", twice, "CUDA")
    into = torch.zeros(3, device="cuda")
    torch.ops.syncfree_test.twice(torch.ones(3, device="cuda"), into)
    assert into.tolist() == [2, 2, 2]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool]),
    st.lists(st.sampled_from(["add", "flip", "cumsum", "where", "index", "clone", "t", "fill"]), max_size=6),
)
def test_chains_of_operators_have_the_values_of_the_cpu(shape: list[int], dtype: torch.dtype, chain: list[str]) -> None:
    steps: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "add": lambda x: x + x,
        "flip": lambda x: x.flip(0),
        "cumsum": lambda x: x.cumsum(0),
        "where": lambda x: torch.where(x > 0, x, x.new_zeros(())),
        "index": lambda x: x[torch.zeros(2, dtype=torch.long, device=x.device)],
        "clone": lambda x: x.clone(),
        "t": lambda x: x.transpose(0, -1),
        "fill": lambda x: x.masked_fill(x == 0, 1),
    }
    found = []
    for device in ("cpu", "cuda"):
        x = numbers(device, *shape).to(dtype)
        for name in chain:
            x = steps[name](x)
        found.append(x.cpu())
    assert torch.equal(*found)


def test_waits_are_those_of_the_device_and_not_of_the_computation() -> None:
    x = numbers("cuda", 8)
    with audit(budget=0) as report:
        (x * 2).cumsum(0).clone()
    assert report.everything == []
    with audit() as report:
        torch.linalg.eigh(torch.eye(3, device="cuda"))
    assert {(sync.kind, sync.op) for sync in report.hard} == {(Kind.WAIT, "aten::_linalg_eigh")}


def test_an_operators_own_error_comes_from_the_host_where_that_has_it() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        numbers("cuda", 2, 3) @ numbers("cuda", 2, 3)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: torch.nn.functional.linear(torch.ones(1, 3), x),
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3)[x.long()],
    ],
)
def test_operands_on_two_devices_are_an_error_as_on_a_gpu(run: Callable[[torch.Tensor], Any]) -> None:
    with pytest.raises(RuntimeError, match="on the same device"):
        run(torch.zeros(2, 3, device="cuda"))


def test_a_wrapper_of_tensors_has_the_values_of_what_it_wraps() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    wrapped = TwoTensor(numbers("cuda", 3), numbers("cuda", 3) * 2) + 1
    assert torch.equal(wrapped.b.cpu(), numbers("cpu", 3) * 2 + 1)


def test_a_fake_tensor_of_the_device_is_computed_by_its_own_mode() -> None:
    with FakeTensorMode():
        inside = torch.empty(3, device="cuda") + 1
        assert isinstance(inside, FakeTensor)
        assert torch.ones(2, 3).to("cuda").shape == (2, 3)
    outside = inside.sum() * 2
    assert isinstance(outside, FakeTensor)
    assert (outside.shape, outside.device.type) == ((), "cuda")
    assert numbers("cuda", 3).sum().item() == numbers("cpu", 3).sum().item()


def test_a_gradient_is_detached() -> None:
    """PyTorch hands some of these calls over as if plain tensors had a handler of their own."""
    assert torch.nn.Linear(2, 2, device="cuda").weight.detach().cpu().shape == (2, 2)
    assert torch.arange(3.0).to("cuda").pow(2).detach().tolist() == [0.0, 1.0, 4.0]


def test_a_generator_of_the_device_draws_what_one_of_the_host_with_its_seed_draws() -> None:
    on_host, on_device = torch.Generator().manual_seed(7), torch.Generator("cuda").manual_seed(7)
    expected = [torch.randn(3, generator=on_host), torch.rand(2, generator=on_host)]
    state = on_device.get_state()
    drawn = [torch.randn(3, generator=on_device, device="cuda").cpu(), torch.rand(2, generator=on_device, device="cuda").cpu()]
    assert [one.tolist() for one in drawn] == [one.tolist() for one in expected]
    again = torch.randn(3, generator=on_device, device="cuda").cpu()
    assert not torch.equal(again, drawn[0])
    on_device.set_state(state)
    assert torch.equal(torch.randn(3, generator=on_device, device="cuda").cpu(), drawn[0])
