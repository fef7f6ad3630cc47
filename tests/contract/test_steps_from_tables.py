"""DDIM and LCM steps whose scalars come from tables: every configuration and every change of a scheduler as with upstream."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from syncfree.adapters.host_copies import cache_for

from .support.scheduler_requests import RELEASE, Samples, both, draw, same, steps
from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDIMParallelScheduler"])
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_ddim_of_every_configuration_equals_upstream(diffusers: Any, name: str, prediction: str) -> None:
    owner = getattr(diffusers, name)
    for clip, one, clipped, eta, dtype in product(
        (True, False), (True, False), (True, False), (0.0, 0.3), (torch.float32, torch.bfloat16, torch.float16)
    ):
        configuration = {"prediction_type": prediction, "clip_sample": clip, "set_alpha_to_one": one}
        pair = both(owner, lambda s: steps(s, dtype=dtype, eta=eta, use_clipped_model_output=clipped), **configuration)  # noqa: B023
        assert same(pair), (configuration, clipped, eta, dtype)


def test_ddim_of_configurations_that_tables_do_not_cover_equals_upstream(diffusers: Any) -> None:
    owner = diffusers.DDIMScheduler
    assert same(both(owner, steps, thresholding=True))
    assert same(both(owner, lambda s: steps(s, eta=torch.tensor(0.5))))

    def noise_handed_in(scheduler: Any) -> Samples:
        scheduler.set_timesteps(4, device="cpu")
        return list(scheduler.step(draw(0), 500, draw(1), variance_noise=draw(2), eta=1.0).to_tuple())

    assert same(both(owner, noise_handed_in))


def test_a_subclass_with_another_variance_keeps_it(diffusers: Any) -> None:
    class Other(diffusers.DDIMScheduler):  # type: ignore[name-defined, misc]
        def _get_variance(self, timestep: Any, prev_timestep: Any) -> torch.Tensor:
            return torch.tensor(1e-4)

    with all_bound(diffusers.DDIMScheduler, RELEASE, FUNCTIONS):
        ours = steps(Other(), eta=1.0)
        plain = steps(diffusers.DDIMScheduler(), eta=1.0)
    assert same((steps(Other(), eta=1.0), ours))
    assert not torch.equal(ours[0], plain[0])


@pytest.mark.parametrize("name", ["DDIMScheduler", "LCMScheduler"])
def test_a_table_does_not_outlive_what_it_was_made_of(diffusers: Any, name: str) -> None:
    def changed(scheduler: Any) -> Samples:
        before = steps(scheduler)
        scheduler.alphas_cumprod[500:] *= 0.5
        after = steps(scheduler)
        scheduler.alphas_cumprod = scheduler.alphas_cumprod.clone() * 0.9
        scheduler.final_alpha_cumprod = torch.tensor(0.8)
        return before + after + steps(scheduler)

    owner = getattr(diffusers, name)
    expected = changed(owner())
    with all_bound(owner, RELEASE, FUNCTIONS):
        assert same((expected, changed(owner())))


@pytest.mark.parametrize("name", ["DDIMScheduler", "LCMScheduler"])
def test_scalars_made_in_inference_mode_serve_whoever_needs_gradients(diffusers: Any, name: str) -> None:
    def gradient(scheduler: Any) -> torch.Tensor:
        output = draw(1).requires_grad_()
        scheduler.set_timesteps(5, device="cpu")
        scheduler.step(output, scheduler.timesteps[1], draw(2), return_dict=False)[0].square().sum().backward()
        assert output.grad is not None
        return output.grad

    owner = getattr(diffusers, name)
    torch.manual_seed(0)
    expected = gradient(owner())
    with all_bound(owner, RELEASE, FUNCTIONS):
        scheduler = owner()
        with torch.inference_mode():
            steps(scheduler)
        torch.manual_seed(0)
        assert torch.equal(gradient(scheduler), expected)


def test_scalars_do_not_outlive_a_write_that_torch_does_not_know_of(diffusers: Any) -> None:
    def changed(scheduler: Any) -> Samples:
        before = steps(scheduler)
        scheduler.alphas_cumprod.numpy()[500:] *= 0.5
        scheduler.final_alpha_cumprod.numpy()[...] = 0.8
        return before + steps(scheduler)

    owner = diffusers.DDIMScheduler
    expected = changed(owner())
    with all_bound(owner, RELEASE, FUNCTIONS):
        assert same((expected, changed(owner())))


def test_alphas_that_need_gradients_get_them_in_every_step(diffusers: Any) -> None:
    def gradient(scheduler: Any) -> torch.Tensor:
        scheduler.alphas_cumprod.requires_grad_()
        scheduler.set_timesteps(5, device="cpu")
        for _ in range(2):  # a second backward pass through what the first one kept is an error
            scheduler.step(draw(1), scheduler.timesteps[1], draw(2)).prev_sample.square().sum().backward()
        gradient: torch.Tensor = scheduler.alphas_cumprod.grad
        return gradient

    expected = gradient(diffusers.DDIMScheduler())
    with all_bound(diffusers.DDIMScheduler, RELEASE, FUNCTIONS):
        scheduler = diffusers.DDIMScheduler()
        steps(scheduler)
        assert torch.equal(gradient(scheduler), expected)


@pytest.mark.parametrize("final", [1.0, np.float32(0.9), torch.tensor([0.9]), torch.tensor(0.9, dtype=torch.float64), -0.0])
def test_the_last_alpha_may_be_anything_that_upstream_takes(diffusers: Any, final: Any) -> None:
    def with_it(scheduler: Any) -> Samples:
        scheduler.final_alpha_cumprod = final
        return steps(scheduler)

    assert same(both(diffusers.DDIMScheduler, with_it))


def test_scalings_belong_to_the_default_dtype(diffusers: Any) -> None:
    """An integer timestep times a number of Python's is of that dtype."""

    def scalings(scheduler: Any) -> Samples:
        scheduler.set_timesteps(4, device="cpu")
        found = list(scheduler.get_scalings_for_boundary_condition_discrete(scheduler.timesteps[1]))
        torch.set_default_dtype(torch.float64)
        try:
            return found + list(scheduler.get_scalings_for_boundary_condition_discrete(scheduler.timesteps[1]))
        finally:
            torch.set_default_dtype(torch.float32)

    assert same(both(diffusers.LCMScheduler, scalings))


def test_scalings_that_the_caller_writes_to_are_computed_again(diffusers: Any) -> None:
    def written_to(scheduler: Any) -> Samples:
        scheduler.set_timesteps(4, device="cpu")
        for scaling in scheduler.get_scalings_for_boundary_condition_discrete(scheduler.timesteps[1]):
            scaling.zero_()
        scheduler.sigma_data = 3.0
        return list(scheduler.get_scalings_for_boundary_condition_discrete(scheduler.timesteps[1])) + steps(scheduler, 4)

    assert same(both(diffusers.LCMScheduler, written_to))


@pytest.mark.parametrize(
    "arguments", [{"s_churn": None}, {"s_churn": ""}, {"s_tmin": None}, {"s_tmin": "0"}, {"s_tmin": torch.zeros(2)}], ids=str
)
def test_wrong_bounds_of_the_churn_raise_what_upstream_raises(diffusers: Any, arguments: dict[str, Any]) -> None:
    def message() -> str:
        scheduler = diffusers.FlowMatchHeunDiscreteScheduler()
        scheduler.set_timesteps(4, device="cpu")
        with pytest.raises((TypeError, RuntimeError)) as caught:
            scheduler.step(draw(0), scheduler.timesteps[0], draw(1), **arguments)
        return f"{type(caught.value).__name__}: {caught.value}"

    expected = message()
    with all_bound(diffusers.FlowMatchHeunDiscreteScheduler, RELEASE, FUNCTIONS):
        assert message() == expected


@pytest.mark.parametrize("device", ["cuda", "cuda:63", "meta", "nowhere", 5.5])
@pytest.mark.parametrize("name", ["DDIMScheduler", "EulerDiscreteScheduler", "UniPCMultistepScheduler"])
def test_a_schedule_for_a_device_that_is_not_there_ends_as_with_upstream(diffusers: Any, name: str, device: Any) -> None:
    def ended() -> str:
        scheduler = getattr(diffusers, name)()
        try:
            scheduler.set_timesteps(4, device=device)
        except Exception as error:  # noqa: BLE001  (whichever upstream raises)
            return f"{type(error).__name__}: {error}"
        return str(scheduler.timesteps.device)

    expected = ended()
    with all_bound(getattr(diffusers, name), RELEASE, FUNCTIONS):
        assert ended() == expected


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.step(draw(0), 1000, draw(1)),
        lambda s: s.step(draw(0), torch.tensor(4000), draw(1)),
        lambda s: s.step(draw(0), torch.tensor([3, 4]), draw(1)),
        lambda s: s.step(draw(0), torch.tensor(3.5), draw(1)),
        lambda s: s.step(draw(0), None, draw(1)),
        lambda s: s.step(draw(0), 3, torch.zeros(3, 3)),
        lambda s: s.step(draw(0), 3, draw(1), eta=1.0, generator=torch.Generator(), variance_noise=draw(2)),
        lambda s: s.step(draw(0), 3, draw(1), eta="1"),
        lambda s: type(s)().step(draw(0), 3, draw(1)),
    ],
)
def test_wrong_calls_raise_what_upstream_raises(diffusers: Any, wrong: Callable[[Any], Any]) -> None:
    def message() -> str:
        scheduler = diffusers.DDIMScheduler()
        scheduler.set_timesteps(10, device="cpu")
        with pytest.raises(Exception) as caught:  # noqa: PT011  (which one, upstream says)
            wrong(scheduler)
        return f"{type(caught.value).__name__}: {caught.value}"

    expected = message()
    with all_bound(diffusers.DDIMScheduler, RELEASE, FUNCTIONS):
        assert message() == expected


def test_notes_are_kept_of_plain_floats_only() -> None:
    values = torch.tensor([900.0, 1.0])
    notes = cache_for(values)
    assert notes == {}
    assert cache_for(values) is notes
    values[0] = 5.0
    assert cache_for(values) is not notes
    with torch.inference_mode():
        made_in_inference_mode = torch.tensor([900.0, 1.0])
    odd = (values.half(), values.long(), values.clone().requires_grad_(), values.to("meta"), made_in_inference_mode, [900.0, 1.0])
    assert [cache_for(one) for one in odd] == [None] * len(odd)
