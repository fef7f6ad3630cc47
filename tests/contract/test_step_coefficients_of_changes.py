"""Steps whose scalars come from tables: requests that repeat, schedules that change, gradients and subclasses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .support.scheduler_steps import (
    FLOW_MATCH,
    NAMES,
    SHAPE,
    WARNINGS,
    same,
    scaled,
    steps,
)
from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound
from .support.upstream_packages import diffusers

pytestmark = WARNINGS


class Scalars(TorchDispatchMode):
    """Counts the operators whose results are 0-dimensional."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not result.dim() and result.is_floating_point():
            self.count[func.name()] += 1
        return result


@pytest.mark.parametrize("name", NAMES)
def test_a_second_request_computes_no_scalar_again(name: str) -> None:
    owner = getattr(diffusers("0.42.1"), name)

    def counted() -> Counter[str]:
        scheduler = owner()
        scheduler.set_timesteps(8, device="cpu")
        first, *others = scheduler.timesteps
        sample = torch.ones(SHAPE)
        scaled(scheduler, sample, first)  # it finds the position
        scheduler.step(sample, first, sample)
        with Scalars() as scalars:
            for timestep in others:
                scheduler.step(sample, timestep, scaled(scheduler, sample, timestep))
        return scalars.count - Counter({"aten::select.int": len(others)})  # the timesteps

    theirs = counted()
    with all_bound(owner, "0.42.1", FUNCTIONS):
        counted()
        ours = counted()
    assert theirs.total() >= (14 if name == FLOW_MATCH else 40)
    assert set(ours) == ({"aten::clone"} if name == "HeunDiscreteScheduler" else set())  # dt, to which a user may write


def written_by_torch(scheduler: Any) -> None:
    scheduler.sigmas[2:4] *= 0.9


def written_by_numpy(scheduler: Any) -> None:
    scheduler.sigmas.numpy()[2:4] *= 0.9


def of_another_memory(scheduler: Any) -> None:
    scheduler.sigmas.data = scheduler.sigmas * 0.9


def of_another_dtype(scheduler: Any) -> None:
    scheduler.sigmas = scheduler.sigmas.double()


def of_sub_normal_numbers(scheduler: Any) -> None:
    scheduler.sigmas = scheduler.sigmas * 1e-38


def of_a_parameter(scheduler: Any) -> None:
    scheduler.sigmas = torch.nn.Parameter(scheduler.sigmas)


def without_some(scheduler: Any) -> None:
    scheduler.sigmas = scheduler.sigmas[:4]


CHANGES = (written_by_torch, written_by_numpy, of_another_memory, of_another_dtype, of_sub_normal_numbers, of_a_parameter, without_some)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", NAMES)
def test_sigmas_that_change_in_a_request_are_seen_at_once(name: str, change: Callable[[Any], None]) -> None:
    owner = getattr(diffusers("0.42.1"), name)

    def work(scheduler: Any) -> list[Any]:
        scheduler.set_timesteps(6, device="cpu")
        sample, found = torch.linspace(-1, 1, 36).reshape(SHAPE), []
        for number, timestep in enumerate(scheduler.timesteps):
            if number == 2:
                change(scheduler)
            try:
                scaled(scheduler, sample, timestep)
                found.append(scheduler.step(sample * 0.5, timestep, sample)[0].detach())
            except (IndexError, RuntimeError, TypeError) as error:  # upstream's, of what it was handed
                found.append(f"{type(error).__name__}: {error}")
        return found

    torch.manual_seed(0)
    expected = work(owner())
    with all_bound(owner, "0.42.1", FUNCTIONS):
        for _ in range(2):
            torch.manual_seed(0)
            ours = work(owner())
            for one, other in zip(expected, ours, strict=True):
                assert other == one if isinstance(one, str) else same([one], [other])


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_sigmas_that_need_gradients_get_them(name: str) -> None:
    owner = getattr(diffusers("0.42.1"), name)

    def gradient(scheduler: Any) -> torch.Tensor:
        scheduler.set_timesteps(5, device="cpu")
        scheduler.sigmas.requires_grad_()
        scaled(scheduler, torch.ones(SHAPE), scheduler.timesteps[0])
        scheduler.step(torch.ones(SHAPE), scheduler.timesteps[0], torch.ones(SHAPE)).prev_sample.sum().backward()
        found: torch.Tensor = scheduler.sigmas.grad
        return found

    expected = gradient(owner())
    with all_bound(owner, "0.42.1", FUNCTIONS):
        steps(owner(), 5)
        assert same([expected], [gradient(owner())])


@pytest.mark.parametrize("name", NAMES)
def test_scalars_made_in_inference_mode_serve_whoever_needs_gradients(name: str) -> None:
    owner = getattr(diffusers("0.42.1"), name)

    def gradient(scheduler: Any) -> torch.Tensor:
        scheduler.set_timesteps(5, device="cpu")
        output, sample = torch.linspace(0, 1, 36).reshape(SHAPE).requires_grad_(), torch.ones(SHAPE)
        torch.manual_seed(0)
        for timestep in scheduler.timesteps[:3]:
            sample = scheduler.step(output, timestep, scaled(scheduler, sample, timestep)).prev_sample
        sample.square().sum().backward()
        assert output.grad is not None
        return output.grad

    expected = gradient(owner())
    with all_bound(owner, "0.42.1", FUNCTIONS):
        with torch.inference_mode():
            steps(owner(), 5)
        assert same([expected], [gradient(owner())])


def test_a_subclass_with_other_alphas_keeps_them() -> None:
    owner = diffusers("0.42.1").DPMSolverMultistepScheduler

    class Other(owner):  # type: ignore[misc, valid-type]
        def _sigma_to_alpha_sigma_t(self, sigma: Any) -> Any:
            return 1 - sigma / 2000, sigma

    expected = steps(Other())
    with all_bound(owner, "0.42.1", FUNCTIONS) as totals:
        plain = steps(owner())
        assert same(expected, steps(Other()))
        assert totals()[1] > 0
    assert not same(expected, plain)
