"""Steps whose scalars come from tables: every configuration and every change of a scheduler as with upstream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from syncfree.adapters.diffusers.step_coefficients.recorded import Recorder
from syncfree.plugins.coefficient_table.step_coefficients import step_coefficients

from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound
from .support.upstream_packages import diffusers

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:diffusers_",
    "ignore::RuntimeWarning:diffusers_",
    "ignore:.*algorithm_types:FutureWarning",
    "ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning",  # which torch says once per process
)
RELEASES = ("0.35.0", "0.42.1")
SHAPE = (1, 4, 3, 3)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler")
DPM = ("DPMSolverMultistepScheduler", "DPMSolverMultistepInverseScheduler", "DPMSolverSinglestepScheduler")
FLOW_MATCH = "FlowMatchEulerDiscreteScheduler"
NAMES = (*EULER, *DPM, "DEISMultistepScheduler", FLOW_MATCH)
SPACINGS: tuple[dict[str, Any], ...] = ({}, {"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"use_beta_sigmas": True})
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
Samples = list[torch.Tensor]


def scaled(scheduler: Any, sample: torch.Tensor, timestep: Any) -> Any:
    return scheduler.scale_model_input(sample, timestep) if hasattr(scheduler, "scale_model_input") else sample


def steps(scheduler: Any, count: int = 6, dtype: torch.dtype = torch.float32, start: int = 0, seeded: bool = True) -> Samples:
    """A request, from a timestep on; every scaled input and every result of every step."""
    scheduler.set_timesteps(count, device="cpu")
    if start:
        scheduler.set_begin_index(start)
    generator = torch.Generator().manual_seed(0)
    noise = {"generator": torch.Generator().manual_seed(7)} if seeded and "generator" in scheduler.step.__code__.co_varnames else {}
    torch.manual_seed(3)
    sample = torch.randn(SHAPE, generator=generator).to(dtype)
    found = []
    for timestep in scheduler.timesteps[start:]:
        output = torch.randn(SHAPE, generator=generator).to(dtype)
        found.append(scaled(scheduler, sample, timestep))
        stepped = scheduler.step(output, timestep, sample, **noise)
        sample = stepped.prev_sample
        found += [value for value in stepped.to_tuple() if value is not None]
    return found


def pairs(
    owner: Any, release: str, works: list[Callable[[Any], Samples]], **configuration: Any
) -> tuple[list[Samples], tuple[int, int]]:
    """Differing results, of upstream and of a second request of ours; and our calls and declines."""
    different = []
    expected = [work(owner(**configuration)) for work in works]
    with all_bound(owner, release, FUNCTIONS) as totals:
        for theirs, work in zip(expected, works, strict=True):
            scheduler = owner(**configuration)
            work(scheduler)
            if not same(theirs, ours := work(scheduler)):
                different += [theirs, ours]
        return different, totals()


def same(theirs: Samples, ours: Samples) -> bool:
    return len(theirs) > 0 and all(
        a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(theirs, ours, strict=True)
    )


def in_every_dtype(**more: Any) -> list[Callable[[Any], Samples]]:
    return [lambda scheduler, dtype=dtype: steps(scheduler, dtype=dtype, **more) for dtype in DTYPES]  # type: ignore[misc]


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


def test_a_recorded_program_gives_what_its_method_gives() -> None:
    def method(scale: torch.Tensor, shift: torch.Tensor, one: Any, other: Any) -> Any:
        difference = one - other[:, :2]
        return scale.exp() * one - 2.0 * difference / shift + difference * scale

    recorder = Recorder(2)
    scale, shift = torch.tensor(0.3), torch.tensor(1.7)
    program = recorder.program(method(scale, shift, *recorder.samples))  # type: ignore[arg-type]
    assert recorder.scalars == [scale.exp(), shift, scale]
    one, other = torch.rand(3, 2), torch.rand(3, 4)
    assert torch.equal(program.run((one, other), recorder.scalars), method(scale, shift, one, other))


def test_a_method_that_hands_on_a_sample_hands_on_that_very_one() -> None:
    recorder = Recorder(2)
    program = recorder.program(recorder.samples[1])
    one, other = torch.ones(1), torch.ones(1)
    assert program.run((one, other), ()) is other


def counting() -> tuple[list[int], Callable[..., Any]]:
    calls: list[int] = []

    def compute(schedules: tuple[torch.Tensor, ...], position: int, form: object) -> tuple[torch.Tensor, ...]:
        calls.append(position)
        return schedules[0][position], schedules[0][position] ** 2

    return calls, compute


def test_equal_schedules_share_what_was_computed_and_others_do_not() -> None:
    calls, compute = counting()
    sigmas = torch.tensor([3.0, 2.0, 1.0, 0.0])
    first = step_coefficients((sigmas,), 1, "form", compute)
    assert step_coefficients((sigmas.clone(),), 1, "form", compute) is first
    assert calls == [1]
    others = (
        ((sigmas,), 2, "form"),
        ((sigmas,), 1, "another form"),
        ((sigmas.double(),), 1, "form"),
        ((sigmas[:3],), 1, "form"),
        ((sigmas, sigmas), 1, "form"),
        ((sigmas * 2,), 1, "form"),
    )
    for call in others:
        assert torch.equal(step_coefficients(*call, compute)[0], call[0][0][call[1]])
    assert len(calls) == 1 + len(others)


def test_what_is_kept_does_not_lie_in_the_schedule() -> None:
    _, compute = counting()
    sigmas = torch.tensor([5.0, 2.0, 1.0, 0.0])
    kept = step_coefficients((sigmas,), 1, "form", compute)[0]
    sigmas[1] = 7.0
    assert kept.item() == 2.0
    assert step_coefficients((sigmas,), 1, "form", compute)[0].item() == 7.0


def test_sigmas_whose_squares_may_be_sub_normal_have_no_table() -> None:
    _, compute = counting()
    assert step_coefficients((torch.tensor([1.0, 1e-6, 0.0]),), 0, "form", compute) is NotImplemented
    assert step_coefficients((torch.tensor([1.0, float("inf"), 0.0]),), 0, "form", compute) is NotImplemented


def test_scalars_that_a_users_mode_made_something_else_of_are_not_kept() -> None:
    class Marked(torch.Tensor):
        pass

    class Marking(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            return result.as_subclass(Marked) if type(result) is torch.Tensor else result

    _, compute = counting()
    sigmas = torch.tensor([6.0, 2.0, 1.0, 0.0])
    with Marking():
        assert type(step_coefficients((sigmas,), 1, "form", compute)[1]) is Marked
    assert type(step_coefficients((sigmas,), 1, "form", compute)[1]) is torch.Tensor
