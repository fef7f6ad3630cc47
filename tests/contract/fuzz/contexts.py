"""Contexts in which steps are made: gradients, autocast, defaults of torch, modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .worlds import World


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


@contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def _flushing() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class FunctionMode(TorchFunctionMode):
    """A user's, which hands everything on."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class DispatchMode(TorchDispatchMode):
    """A user's, which hands everything on."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@contextmanager
def _one_in_the_other() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        stack.enter_context(torch.autocast("cuda", torch.bfloat16))
        yield


CONTEXTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "nothing": nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast cpu bfloat16": partial(torch.autocast, "cpu", torch.bfloat16),
    "autocast cpu float16": partial(torch.autocast, "cpu", torch.float16),
    "autocast cuda bfloat16": partial(torch.autocast, "cuda", torch.bfloat16),
    "autocast cuda float16": partial(torch.autocast, "cuda", torch.float16),
    "inference_mode and autocast": _one_in_the_other,
    "default dtype float64": partial(_default_dtype, torch.float64),
    "default dtype float16": partial(_default_dtype, torch.float16),
    "default dtype bfloat16": partial(_default_dtype, torch.bfloat16),
    "default device cuda": partial(torch.device, "cuda"),
    "default device cpu": partial(torch.device, "cpu"),
    "default device meta": partial(torch.device, "meta"),
    "deterministic algorithms": _deterministic,
    "flushing sub-normals": _flushing,
    "a function mode": FunctionMode,
    "a dispatch mode": DispatchMode,
    "fake tensors": partial(FakeTensorMode, allow_non_fake_inputs=True),
    "anomalies": torch.autograd.detect_anomaly,
}
ON_THE_HOST = ("a dispatch mode", "fake tensors")
"""Contexts that the simulated device does not know."""


def in_a_context(world: World) -> None:
    """From here on everything happens in another context, or in none."""
    name = world.random.choice([name for name in CONTEXTS if world.device == "cpu" or name not in ON_THE_HOST])
    world.say(f"in {name}")
    world.context = CONTEXTS[name]
    if world.random.random() < 0.4:
        world.begin()
    world.steps(world.random.choice((1, 2)))
    if world.random.random() < 0.5:
        world.context = nullcontext
