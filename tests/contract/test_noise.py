"""Noise of diffusers' steps: the numbers of ``randn_tensor``, and as many drawn, without its cost."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from syncfree.adapters.diffusers.noise import drawing

from .support.upstream_packages import diffusers

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
Draw = Callable[[Any, Any, Any], Any]


def module() -> ModuleType:
    owner = diffusers("0.42.1").EulerAncestralDiscreteScheduler
    return importlib.import_module(owner.__module__)


@pytest.fixture
def draw() -> Draw:
    return drawing(module().EulerAncestralDiscreteScheduler.step)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    tensor = torch.zeros(shape, dtype=draw(st.sampled_from(DTYPES)))
    kind = draw(st.sampled_from(("plain", "transposed", "sliced", "channels last", "needs gradients")))
    if kind == "transposed":
        return tensor.mT if tensor.dim() > 1 else tensor
    if kind == "sliced":
        return tensor[..., ::2]
    if kind == "channels last" and tensor.dim() == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor.requires_grad_(kind == "needs gradients")


@settings(deadline=None)
@given(tensor=tensors(), dtype=st.sampled_from(DTYPES), seeded=st.booleans())
def test_numbers_layout_and_the_generators_state_are_those_of_randn_tensor(tensor: torch.Tensor, dtype: torch.dtype, seeded: bool) -> None:
    names = vars(module())
    found = []
    for function in (
        lambda generator: names["randn_tensor"](tensor.shape, generator=generator, device=tensor.device, dtype=dtype),
        lambda generator: drawing(module().EulerAncestralDiscreteScheduler.step)(tensor, dtype, generator),
    ):
        torch.manual_seed(5)
        generator = torch.Generator().manual_seed(7) if seeded else None
        drawn = function(generator)
        found.append((drawn, torch.get_rng_state(), torch.randn(3, generator=generator)))
    (theirs, state, after), (ours, state_ours, after_ours) = found
    assert torch.equal(theirs, ours)
    assert torch.equal(state, state_ours)
    assert torch.equal(after, after_ours)
    assert (theirs.dtype, theirs.stride(), theirs.requires_grad) == (ours.dtype, ours.stride(), ours.requires_grad)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of somebody's own ``randn_tensor``."""
    calls: list[str] = []
    names = vars(module())
    original = names["randn_tensor"]

    def noted(*args: Any, **kwargs: Any) -> Any:
        calls.append("randn_tensor")
        return original(*args, **kwargs)

    monkeypatch.setitem(names, "randn_tensor", noted)
    return calls


def test_randn_tensor_that_was_exchanged_later_is_called(draw: Draw, counted: list[str]) -> None:
    draw(torch.zeros(2, 3), torch.float32, None)
    assert counted == ["randn_tensor"]


def test_randn_tensor_that_was_exchanged_before_is_called(counted: list[str]) -> None:
    drawing(module().EulerAncestralDiscreteScheduler.step)(torch.zeros(2, 3), torch.float32, None)
    assert counted == ["randn_tensor"]


def test_randn_that_was_exchanged_is_called(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.full(tuple(shape), 9.0))
    assert draw(torch.zeros(2, 3), torch.float32, None).tolist() == [[9.0] * 3] * 2


def test_a_mode_sees_upstreams_operator(draw: Draw) -> None:
    seen = []

    class Seen(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Seen():
        draw(torch.zeros(2, 3), torch.float32, None)
    assert "randn" in seen
    assert "randn_like" not in seen


def test_a_tensor_without_dimensions_is_upstreams_error(draw: Draw) -> None:
    with pytest.raises(IndexError):
        draw(torch.zeros(()), torch.float32, None)
