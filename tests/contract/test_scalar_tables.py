"""Schedulers whose steps take their scalars from tables: bit for bit as upstream, and each scalar is computed once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .support.scheduler_requests import RELEASE, Samples, both, draw, error_of, options_of, same, steps
from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""SASolver's ``set_timesteps`` makes an array of a tensor."""
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
SPACINGS = ("linspace", "leading", "trailing")
PREDICTIONS = ("epsilon", "sample", "v_prediction")
COGVIDEOX = {"rescale_betas_zero_snr": (False, True), "timestep_spacing": SPACINGS, "set_alpha_to_one": (True, False)}
CONFIGURATIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "DDIMScheduler": {"prediction_type": PREDICTIONS, "rescale_betas_zero_snr": (False, True), "timestep_spacing": SPACINGS},
    "DDPMScheduler": {
        "prediction_type": PREDICTIONS,
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
        "clip_sample": (True, False),
        "timestep_spacing": SPACINGS,
        "rescale_betas_zero_snr": (False, True),
    },
    "DDPMParallelScheduler": {"prediction_type": PREDICTIONS, "timestep_spacing": SPACINGS},
    "CogVideoXDPMScheduler": {"prediction_type": PREDICTIONS, **COGVIDEOX},
    "CogVideoXDDIMScheduler": {"prediction_type": PREDICTIONS, **COGVIDEOX},
    "PNDMScheduler": {
        "prediction_type": ("epsilon", "v_prediction"),
        "skip_prk_steps": (True, False),
        "set_alpha_to_one": (True, False),
        "timestep_spacing": SPACINGS,
        "steps_offset": (0, 1),
    },
    "LCMScheduler": {
        "prediction_type": PREDICTIONS,
        "clip_sample": (True, False),
        "rescale_betas_zero_snr": (False, True),
        "timestep_scaling": (10.0, 3),
    },
    "SASolverScheduler": {
        "prediction_type": PREDICTIONS,
        "algorithm_type": ("data_prediction", "noise_prediction"),
        "predictor_order": (1, 2, 3, 4),
        "corrector_order": (1, 2, 3, 4),
        "use_karras_sigmas": (False, True),
    },
    "TCDScheduler": {"prediction_type": PREDICTIONS, "set_alpha_to_one": (True, False), "rescale_betas_zero_snr": (False, True)},
}
"""Arguments that pipelines make the schedulers with."""
LAUNCHES = {
    "DDIMScheduler": 7,
    "DDPMScheduler": 10,
    "DDPMParallelScheduler": 10,
    "CogVideoXDPMScheduler": 13,
    "CogVideoXDDIMScheduler": 6,
    "PNDMScheduler": 12,
    "LCMScheduler": 10,
    "TCDScheduler": 10,
    "SASolverScheduler": 22,
}
"""Operators of a step that are left, all of them on samples; random numbers are one."""
NOT_KEPT = {"SASolverScheduler": 30 * 6}
"""Operators of a request that make scalars in every step, on the host: SASolver converts a sigma."""


def configurations(name: str) -> Iterator[dict[str, Any]]:
    options = CONFIGURATIONS[name]
    for values in product(*options.values()):
        yield dict(zip(options, values, strict=True))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_requests_of_every_configuration_equal_upstream(diffusers: Any, name: str) -> None:
    owner = getattr(diffusers, name)
    for number, configuration in enumerate(configurations(name)):
        dtype = DTYPES[number % len(DTYPES)]
        assert same(both(owner, lambda s: steps(s, 12, dtype), **configuration)), (configuration, dtype)  # noqa: B023


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_thirty_steps_equal_upstream_and_so_do_starts_in_the_middle(diffusers: Any, name: str, dtype: torch.dtype) -> None:
    owner = getattr(diffusers, name)
    assert same(both(owner, lambda s: steps(s, 30, dtype), **options_of(name)))
    assert same(both(owner, lambda s: steps(s, 30, dtype, first=11), **options_of(name)))


@pytest.mark.parametrize("name", ["DDPMScheduler", "LCMScheduler", "TCDScheduler"])
def test_custom_timesteps_equal_upstream(diffusers: Any, name: str) -> None:
    assert same(both(getattr(diffusers, name), lambda s: steps(s, timesteps=[901, 700, 311, 100, 1])))


@pytest.mark.parametrize("eta", [0.0, 0, 0.3, 1, 1.0])
def test_every_eta_of_tcd_equals_upstream(diffusers: Any, eta: float) -> None:
    assert same(both(diffusers.TCDScheduler, lambda s: steps(s, 8, eta=eta)))


@pytest.mark.parametrize("variance", ["learned", "learned_range"])
@pytest.mark.parametrize("channels", [4, 8])
def test_learned_variances_of_ddpm_equal_upstream(diffusers: Any, variance: str, channels: int) -> None:
    def work(scheduler: Any) -> Samples:
        return [torch.tensor(list(error_of(lambda: steps(scheduler, channels=channels)).encode()) or [0])]

    if channels == 8:
        assert same(both(diffusers.DDPMScheduler, lambda s: steps(s, channels=8), variance_type=variance))
    assert same(both(diffusers.DDPMScheduler, work, variance_type=variance))


def test_a_variance_type_that_is_exchanged_equals_upstream(diffusers: Any) -> None:
    def work(scheduler: Any) -> Samples:
        scheduler.variance_type = "fixed_small_log"
        return steps(scheduler)

    assert same(both(diffusers.DDPMScheduler, work))


@pytest.mark.parametrize("name", ["DDPMScheduler", "LCMScheduler"])
def test_thresholding_equals_upstream(diffusers: Any, name: str) -> None:
    assert same(both(getattr(diffusers, name), steps, thresholding=True))


class Operators(TorchDispatchMode):
    """Counts operators other than views by whether their result is a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.scalars = self.others = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dtype.is_floating_point and not func.is_view:
            self.scalars += not result.dim()
            self.others += bool(result.dim())
        return result


@pytest.mark.parametrize("name", LAUNCHES)
def test_a_second_request_computes_no_scalar_again(diffusers: Any, name: str) -> None:
    owner = getattr(diffusers, name)

    def counted(scheduler: Any) -> tuple[int, float]:
        scheduler.set_timesteps(30, device="cpu")
        sample, output, old, back, each = draw(0), draw(1), None, None, []
        with Operators() as operators:
            for timestep in scheduler.timesteps:
                before = operators.others
                past = (old, timestep, back, sample) if name == "CogVideoXDPMScheduler" else (timestep, sample)
                sample = scheduler.step(output, *past, return_dict=False)[0]
                each.append(operators.others - before)
                old, back = output, timestep
        return operators.scalars, sorted(each)[15]

    assert counted(owner(**options_of(name)))[0] > 0
    with all_bound(owner, RELEASE, FUNCTIONS):
        scheduler = owner(**options_of(name))
        assert counted(scheduler)[0] > 0
        assert counted(scheduler) == (NOT_KEPT.get(name, 0), LAUNCHES[name])
