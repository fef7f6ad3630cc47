"""Steps whose scalars come from tables: every configuration of a scheduler as with upstream."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from .support.scheduler_steps import (
    DPM,
    EULER,
    FLOW,
    FLOW_MATCH,
    RELEASES,
    SHAPE,
    SPACINGS,
    WARNINGS,
    Samples,
    in_every_dtype,
    pairs,
    scaled,
    steps,
)
from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound
from .support.upstream_packages import diffusers

pytestmark = WARNINGS


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", EULER)
def test_euler_and_heun_of_every_configuration_equal_upstream(name: str, release: str) -> None:
    owner = getattr(diffusers(release), name)
    predictions = ["epsilon", "v_prediction", *([] if "Ancestral" in name else ["sample"])]
    spacings = [{}] if "Ancestral" in name else SPACINGS
    for prediction, spacing in product(predictions, spacings):
        works = [*in_every_dtype(), *in_every_dtype(start=2), lambda scheduler: steps(scheduler, 30)]
        configuration = {"prediction_type": prediction, **spacing}
        different, (calls, declines) = pairs(owner, release, works, **configuration)
        assert different == [], configuration
        assert declines < calls / 4


@pytest.mark.parametrize("release", RELEASES)
def test_flow_matching_of_every_configuration_equals_upstream(release: str) -> None:
    owner = getattr(diffusers(release), FLOW_MATCH)
    for spacing in (*SPACINGS, {"shift": 3.0}, {"invert_sigmas": True}, {"shift_terminal": 0.1}):
        works = [*in_every_dtype(), *in_every_dtype(start=2), lambda scheduler: steps(scheduler, 30)]
        different, (_, declines) = pairs(owner, release, works, **spacing)
        assert different == [], spacing
        assert declines == 0


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", DPM)
def test_dpm_solver_of_every_configuration_equals_upstream(name: str, release: str) -> None:
    owner = getattr(diffusers(release), name)
    algorithms = ["dpmsolver++", "sde-dpmsolver++", "dpmsolver", *(["sde-dpmsolver"] if "Multistep" in name else [])]
    for algorithm, solver, order in product(algorithms, ("midpoint", "heun"), (1, 2, 3)):
        if order == 3 and (algorithm == "sde-dpmsolver" or (algorithm.startswith("sde") and "Inverse" in name)):
            continue  # upstream has no such update, or hands it no noise
        for prediction in ("epsilon", "v_prediction", "sample"):
            configuration: dict[str, Any] = {
                "algorithm_type": algorithm,
                "solver_type": solver,
                "solver_order": order,
                "prediction_type": prediction,
            }
            if "Inverse" not in name:
                configuration["final_sigmas_type"] = "zero" if algorithm.endswith("++") else "sigma_min"
            different, (_, declines) = pairs(owner, release, in_every_dtype(), **configuration)
            assert different == [], configuration
            assert declines == 0


@pytest.mark.parametrize(
    "configuration",
    [
        *SPACINGS,
        FLOW,
        {**FLOW, "algorithm_type": "sde-dpmsolver++"},
        *({**spacing, "algorithm_type": "sde-dpmsolver++"} for spacing in SPACINGS),
        {"use_karras_sigmas": True, "algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True, "prediction_type": "v_prediction"},
        {"euler_at_final": True},
        {"lower_order_final": False},
        {"use_lu_lambdas": True},
        {"variance_type": "learned_range"},
        {"solver_order": 3, "use_karras_sigmas": True},
    ],
    ids=str,
)
def test_dpm_solver_of_every_schedule_equals_upstream(configuration: dict[str, Any]) -> None:
    owner = diffusers("0.42.1").DPMSolverMultistepScheduler
    works = [*in_every_dtype(), *in_every_dtype(start=3), lambda scheduler: steps(scheduler, 30, seeded=False)]
    if "variance_type" in configuration:  # as many channels again are the variance, which upstream cuts off
        works = [_with_a_variance]
    different, (_, declines) = pairs(owner, "0.42.1", works, **configuration)
    assert different == []
    assert declines == 0


def _with_a_variance(scheduler: Any) -> Samples:
    scheduler.set_timesteps(5, device="cpu")
    sample, output = torch.ones(1, 3, 2, 2), torch.linspace(0, 1, 24).reshape(1, 6, 2, 2)
    return [scheduler.step(output, timestep, sample).prev_sample for timestep in scheduler.timesteps]


@pytest.mark.parametrize("release", RELEASES)
def test_deis_of_every_configuration_equals_upstream(release: str) -> None:
    owner = diffusers(release).DEISMultistepScheduler
    for order, prediction, spacing in product((1, 2, 3), ("epsilon", "v_prediction", "sample"), (*SPACINGS, FLOW)):
        configuration = {"prediction_type": prediction, **spacing, "solver_order": order}
        different, (_, declines) = pairs(owner, release, in_every_dtype(), **configuration)
        assert different == [], configuration
        assert declines == 0


@pytest.mark.parametrize("release", RELEASES)
def test_unipc_of_every_prediction_equals_upstream(release: str) -> None:
    owner = diffusers(release).UniPCMultistepScheduler
    for prediction, spacing, predicts in product(("epsilon", "v_prediction", "sample"), (*SPACINGS, {}), (True, False)):
        configuration = {"prediction_type": prediction, "predict_x0": predicts, **spacing}
        different, (calls, _) = pairs(owner, release, in_every_dtype(), **configuration)
        assert different == [], configuration
        assert calls > 0
    different, _ = pairs(owner, release, in_every_dtype(), **FLOW)
    assert different == []


def test_a_prediction_that_unipc_does_not_know_is_upstreams_error() -> None:
    owner = diffusers("0.42.1").UniPCMultistepScheduler
    with all_bound(owner, "0.42.1", FUNCTIONS):
        for configuration in ({"prediction_type": "velocity"}, {"prediction_type": "flow_prediction", "predict_x0": False}):
            with pytest.raises(ValueError, match="must be one of"):
                steps(owner(**configuration))


def test_what_tables_do_not_cover_is_declined_and_equals_upstream() -> None:
    library = diffusers("0.42.1")

    def churned(scheduler: Any) -> Samples:
        scheduler.set_timesteps(5, device="cpu")
        scaled(scheduler, torch.ones(SHAPE), scheduler.timesteps[0])
        generator = torch.Generator().manual_seed(0)
        return list(scheduler.step(torch.ones(SHAPE), scheduler.timesteps[0], torch.ones(SHAPE), s_churn=0.5, generator=generator)[:1])

    for owner, work, configuration in (
        (library.EulerDiscreteScheduler, churned, {}),
        (library.DPMSolverMultistepScheduler, steps, {"thresholding": True}),
        (library.DEISMultistepScheduler, steps, {"thresholding": True, "solver_order": 1}),
    ):
        different, (_, declines) = pairs(owner, "0.42.1", [work], **configuration)
        assert different == []
        assert declines > 0


def test_a_coefficient_of_lms_is_the_float_that_upstream_returns_for_every_order() -> None:
    owner = diffusers("0.42.1").LMSDiscreteScheduler
    calls = [(order, t, current) for order in (1, 2, 3, 4) for t in range(6) for current in range(order)]

    def coefficients(scheduler: Any) -> list[float]:
        scheduler.set_timesteps(6, device="cpu")
        return [scheduler.get_lms_coefficient(*call) for call in calls]

    expected = coefficients(owner())
    with all_bound(owner, "0.42.1", FUNCTIONS) as totals:
        for _ in range(2):
            ours = coefficients(owner())
            assert ours == expected
            assert {type(one) for one in ours} == {type(one) for one in expected} == {float}
        assert totals()[1] == 0


def test_an_unscaled_input_is_warned_of_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = diffusers("0.42.1").EulerDiscreteScheduler
    warnings: list[str] = []
    monkeypatch.setattr(owner.step.__globals__["logger"], "warning", warnings.append)

    def unscaled(scheduler: Any) -> Samples:
        scheduler.set_timesteps(4, device="cpu")
        return [scheduler.step(torch.ones(SHAPE), timestep, torch.ones(SHAPE)).prev_sample for timestep in scheduler.timesteps]

    different, _ = pairs(owner, "0.42.1", [unscaled])
    assert different == []
    assert len(warnings) == 3 * 4  # upstream's, and two requests of ours
