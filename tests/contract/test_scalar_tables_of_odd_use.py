"""Schedulers whose steps take their scalars from tables, when alphas are changed, calls are wrong or methods are replaced."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from .support.scheduler_requests import RELEASE, Samples, both, draw, error_of, options_of, same, steps
from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound

SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "CogVideoXDPMScheduler",
    "CogVideoXDDIMScheduler",
    "PNDMScheduler",
    "LCMScheduler",
    "TCDScheduler",
)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_changed_alphas_are_noticed(diffusers: Any, name: str) -> None:
    final = "one" if "DDPM" in name else "final_alpha_cumprod"

    def changed(scheduler: Any) -> Samples:
        found = steps(scheduler)
        scheduler.alphas_cumprod[500:] *= 0.5
        found += steps(scheduler)
        scheduler.alphas_cumprod.numpy()[300:] *= 0.5
        setattr(scheduler, final, torch.tensor(0.875))
        found += steps(scheduler)
        getattr(scheduler, final).numpy()[...] = 0.75
        found += steps(scheduler)
        setattr(scheduler, final, torch.tensor(0.75, dtype=torch.float64))
        scheduler.alphas_cumprod = scheduler.alphas_cumprod.clone() * 0.9
        return found + steps(scheduler)

    owner = getattr(diffusers, name)
    expected = changed(owner(**options_of(name)))
    with all_bound(owner, RELEASE, FUNCTIONS):
        assert same((expected, changed(owner(**options_of(name)))))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_alphas_that_may_be_sub_normal_are_left_to_upstream(diffusers: Any, name: str) -> None:
    """What is computed while the thread flushes sub-normal numbers to 0 must not serve a thread that does not."""
    owner = getattr(diffusers, name)

    def flushed_first(scheduler: Any) -> Samples:
        torch.set_flush_denormal(True)
        try:
            steps(scheduler)
        finally:
            torch.set_flush_denormal(False)
        return steps(scheduler)

    configuration = {**options_of(name), "trained_betas": [0.5] * 140, "num_train_timesteps": 140}
    assert same(both(owner, flushed_first, **configuration))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_scalars_made_in_inference_mode_serve_gradients(diffusers: Any, name: str) -> None:
    def gradient(scheduler: Any) -> torch.Tensor:
        output = draw(1).requires_grad_()
        scheduler.set_timesteps(5, device="cpu")
        past = (None, scheduler.timesteps[1], None) if name == "CogVideoXDPMScheduler" else (scheduler.timesteps[1],)
        torch.manual_seed(0)
        scheduler.step(output, *past, draw(2), return_dict=False)[0].square().sum().backward()
        assert output.grad is not None
        return output.grad

    owner = getattr(diffusers, name)
    expected = gradient(owner(**options_of(name)))
    with all_bound(owner, RELEASE, FUNCTIONS):
        scheduler = owner(**options_of(name))
        with torch.inference_mode():
            steps(scheduler)
        if hasattr(scheduler, "_step_index"):
            scheduler._step_index = None
        assert torch.equal(gradient(scheduler), expected)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_what_is_computed_under_a_mode_without_values_is_not_kept(diffusers: Any, name: str) -> None:
    owner = getattr(diffusers, name)

    def after_fakes(scheduler: Any) -> Samples:
        with FakeTensorMode(allow_non_fake_inputs=True):
            error_of(lambda: steps(scheduler))
        return steps(scheduler)

    assert same(both(owner, after_fakes, **options_of(name)))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"timestep": 1000},
        {"timestep": -1},
        {"timestep": torch.tensor(4000)},
        {"timestep": torch.tensor([3, 4])},
        {"timestep": torch.tensor(3.5)},
        {"timestep": None},
        {"timestep": np.int64(3)},
        {"timestep": True},
        {"sample": torch.zeros(3, 3)},
        {"sample": None},
        {"sample": [1.0]},
        {"model_output": [1.0]},
        {"model_output": torch.zeros(())},
    ],
    ids=str,
)
def test_wrong_arguments_raise_what_upstream_raises(diffusers: Any, name: str, wrong: dict[str, Any]) -> None:
    owner = getattr(diffusers, name)

    def message() -> tuple[str, torch.Tensor]:
        torch.manual_seed(0)
        scheduler = owner(**options_of(name))
        scheduler.set_timesteps(10, device="cpu")
        past = {"old_pred_original_sample": draw(4), "timestep_back": 4} if name == "CogVideoXDPMScheduler" else {}
        arguments = {"model_output": draw(0), "timestep": scheduler.timesteps[2], "sample": draw(1), **past, **wrong}
        return error_of(lambda: scheduler.step(**arguments)), torch.get_rng_state()

    expected, generator = message()
    with all_bound(owner, RELEASE, FUNCTIONS):
        ours, after = message()
    assert ours == expected
    assert torch.equal(generator, after)


@pytest.mark.parametrize("old", [draw(4)[:1], draw(4).double(), torch.zeros(3, 3), torch.zeros(())], ids=lambda t: str(t.shape))
def test_another_shape_of_the_last_sample_ends_as_with_upstream(diffusers: Any, old: torch.Tensor) -> None:
    def ended() -> tuple[str, torch.Tensor]:
        torch.manual_seed(0)
        scheduler = diffusers.CogVideoXDPMScheduler()
        scheduler.set_timesteps(10, device="cpu")
        return error_of(lambda: scheduler.step(draw(0), old, scheduler.timesteps[2], 900, draw(1))), torch.get_rng_state()

    expected = ended()
    with all_bound(diffusers.CogVideoXDPMScheduler, RELEASE, FUNCTIONS):
        ours = ended()
    assert ours[0] == expected[0]
    assert torch.equal(ours[1], expected[1])


OVERRIDDEN: dict[str, Callable[..., Any]] = {
    "DDPMScheduler": lambda self, t, *arguments, **more: torch.tensor(1e-4),
    "LCMScheduler": lambda self, timestep: (0.25, 0.75),
    "CogVideoXDPMScheduler": lambda self, *alphas: (torch.tensor(0.5), torch.tensor(0.5), torch.tensor(1.5), torch.tensor(0.5)),
    "PNDMScheduler": lambda self, sample, *arguments: sample * 0.5,
}
METHODS = {
    "DDPMScheduler": "_get_variance",
    "LCMScheduler": "get_scalings_for_boundary_condition_discrete",
    "CogVideoXDPMScheduler": "get_mult",
    "PNDMScheduler": "_get_prev_sample",
}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_a_method_of_a_subclass_is_called(diffusers: Any, name: str) -> None:
    owner = getattr(diffusers, name)
    other = type(name, (owner,), {METHODS[name]: OVERRIDDEN[name]})
    expected = steps(other(**options_of(name)))
    with all_bound(owner, RELEASE, FUNCTIONS):
        assert same((expected, steps(other(**options_of(name)))))
        assert not same((expected, steps(owner(**options_of(name)))))


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_table_lives_as_long_as_its_scheduler(diffusers: Any, name: str) -> None:
    owner = getattr(diffusers, name)
    with all_bound(owner, RELEASE, FUNCTIONS):
        scheduler = owner(**options_of(name))
        steps(scheduler)
        alphas = weakref.ref(scheduler.alphas_cumprod)
        del scheduler
        gc.collect()
        assert alphas() is None


def test_the_end_of_a_schedule_on_a_device_without_values_is_left_to_upstream(diffusers: Any) -> None:
    def work(scheduler: Any) -> Samples:
        steps(scheduler)
        torch.set_default_device("meta")
        try:
            message = error_of(lambda: scheduler.step(draw(0), scheduler.timesteps[-1], draw(1)))
        finally:
            torch.set_default_device(None)
        assert message
        return [torch.tensor(list(message.encode()))]

    assert same(both(diffusers.DDPMScheduler, work))
