"""`scheduler_step` against its reference and against upstream's own methods of several releases, bit for bit."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.diffusers.scheduler_step import unipc as diffusers_unipc
from syncfree.adapters.sglang.scheduler_step import flow_unipc as sglang_flow_unipc
from syncfree.adapters.sglang.scheduler_step import unipc as sglang_unipc
from syncfree.adapting import Binding
from syncfree.hooks import scheduler_step as contract
from syncfree.plugins.coefficient_table.scheduler_step import scheduler_step as coefficient_table
from syncfree.plugins.sync_free.scheduler_step import scheduler_step as sync_free

from .support.bound_class import bound, calls_and_declines
from .support.upstream_packages import diffusers, sglang_scheduler

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers 0.35 with numpy 2
]

RELEASES = [
    ("diffusers", "0.35.0"),
    ("diffusers", "0.37.0"),
    ("diffusers", "0.38.0"),
    ("diffusers", "0.42.1"),
    ("sglang", "0.5.12.post1"),
    ("sglang", "0.5.13"),
    ("sglang", "0.5.23"),
    ("sglang flow", "0.5.11"),
    ("sglang flow", "0.5.23"),
]
IMPLEMENTATIONS = {"sync_free": sync_free, "coefficient_table": coefficient_table}
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.fixture(params=IMPLEMENTATIONS, scope="module")
def scheduler_step(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return IMPLEMENTATIONS[request.param]


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal in dtype and in every value; nan equals nan."""
    return a.dtype == b.dtype and torch.equal(a.nan_to_num(0), b.nan_to_num(0)) and torch.equal(a.isnan(), b.isnan())


def scheduler_class(framework: str, release: str) -> type:
    if framework == "sglang":
        module = sglang_scheduler(release, "scheduling_unipc_multistep")
        return module.UniPCMultistepScheduler  # type: ignore[no-any-return]
    if framework == "sglang flow":
        module = sglang_scheduler(release, "scheduling_flow_unipc_multistep")
        return module.FlowUniPCMultistepScheduler  # type: ignore[no-any-return]
    return diffusers(release).UniPCMultistepScheduler  # type: ignore[no-any-return]


def binding_of(framework: str) -> Binding:
    bindings = {"sglang": sglang_unipc, "sglang flow": sglang_flow_unipc, "diffusers": diffusers_unipc}
    return bindings[framework].BINDING


def denoise(
    scheduler: Any,
    dtype: torch.dtype,
    seed: int,
    shape: tuple[int, ...] = (2, 4, 3, 3),
    steps: int = 9,
    begin: int | None = None,
    between: Callable[[Any], Any] = lambda scheduler: scheduler,
) -> list[torch.Tensor]:
    """Run a schedule on random model outputs; `between` may exchange the scheduler in the middle. Returns every sample."""
    generator = torch.Generator().manual_seed(seed)
    sample = torch.randn(shape, generator=generator).to(dtype)
    scheduler.set_timesteps(steps)
    if begin is not None:
        scheduler.set_begin_index(begin)
    samples = []
    for position, timestep in enumerate(scheduler.timesteps[begin or 0 :]):
        if position == steps // 2:
            scheduler = between(scheduler)
        output = torch.randn(shape, generator=generator).to(dtype)
        sample = scheduler.step(output, timestep, sample, return_dict=False)[0]
        samples.append(sample)
    return samples


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    flow = draw(st.booleans())
    predict_x0 = draw(st.booleans())
    predictions = ["epsilon", "sample", "v_prediction"]
    if flow and predict_x0:
        predictions.append("flow_prediction")
    return {
        "solver_order": draw(st.integers(1, 3)),
        "solver_type": draw(st.sampled_from(("bh1", "bh2"))),
        "predict_x0": predict_x0,
        "prediction_type": draw(st.sampled_from(predictions)),
        "use_flow_sigmas": flow,
        "flow_shift": draw(st.sampled_from((1.0, 3.0))),
        "use_karras_sigmas": not flow and draw(st.booleans()),
        "lower_order_final": draw(st.booleans()),
        "disable_corrector": draw(st.sampled_from(([], [0, 3]))),
        "final_sigmas_type": draw(st.sampled_from(("zero", "sigma_min"))),
        "thresholding": draw(st.booleans()),
    }


@settings(max_examples=200, deadline=None)
@given(contract.inputs())
def test_implementation_equals_the_reference(scheduler_step: Callable[..., Any], arguments: dict[str, Any]) -> None:
    assert same_bits(scheduler_step(**arguments), contract.HOOK.reference(**arguments))


@settings(max_examples=50, deadline=None)
@given(contract.inputs())
def test_inputs_are_unchanged(scheduler_step: Callable[..., Any], arguments: dict[str, Any]) -> None:
    before = copy.deepcopy(arguments["update"])
    scheduler_step(**arguments)
    for name, value, old in zip(before._fields, arguments["update"], before, strict=True):
        if isinstance(value, torch.Tensor):
            assert same_bits(value, old), name
        elif name == "history":
            assert all(map(same_bits, value, old))
        else:
            assert value == old


@pytest.mark.parametrize(("framework", "release"), RELEASES)
@settings(max_examples=40, deadline=None)
@given(
    configuration=configurations(),
    dtype=st.sampled_from(DTYPES),
    shape=st.sampled_from(((1, 4, 5), (2, 4, 3, 3), (1, 4, 2, 3, 3))),
    begin=st.sampled_from((None, 0, 3)),
    seed=st.integers(0, 2**31),
    autocast=st.booleans(),
)
def test_schedule_equals_upstream(
    scheduler_step: Callable[..., Any],
    framework: str,
    release: str,
    configuration: dict[str, Any],
    dtype: torch.dtype,
    shape: tuple[int, ...],
    begin: int | None,
    seed: int,
    autocast: bool,
) -> None:
    owner = scheduler_class(framework, release)
    if framework == "sglang flow":
        configuration = {**configuration, "prediction_type": "flow_prediction", "final_sigmas_type": "zero"}

    def run() -> list[torch.Tensor] | str:
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                return denoise(owner(**configuration), dtype, seed, shape, begin=begin)
        except RuntimeError as error:  # order 3 into a last sigma of 0; float16 under bfloat16 autocast
            return str(error)

    expected = run()
    with bound(owner, binding_of(framework), release, scheduler_step) as slots:
        for found in (run(), run()):  # the second time every scalar of a table is there
            if isinstance(expected, str):
                assert found == expected
            else:
                assert all(map(same_bits, found, expected))
    calls, declines = calls_and_declines(slots)
    assert calls > 0
    assert declines == 0


@pytest.mark.parametrize(("framework", "release"), RELEASES)
@pytest.mark.parametrize(
    "between",
    [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))],
    ids=["deepcopy", "pickle"],
)
def test_scheduler_copied_in_the_middle_goes_on_as_upstream(
    scheduler_step: Callable[..., Any],
    framework: str,
    release: str,
    between: Callable[[Any], Any],
    request: pytest.FixtureRequest,
) -> None:
    if framework.startswith("sglang") and "pickle" in request.node.name:
        between = copy.copy  # its module is not importable by its name here
    owner = scheduler_class(framework, release)
    expected = denoise(owner(solver_order=3), torch.float32, 0, between=between)
    with bound(owner, binding_of(framework), release, scheduler_step):
        assert all(map(same_bits, denoise(owner(solver_order=3), torch.float32, 0, between=between), expected))


@pytest.mark.parametrize(("framework", "release"), RELEASES)
def test_sigmas_changed_in_the_middle_are_seen(scheduler_step: Callable[..., Any], framework: str, release: str) -> None:
    def change(scheduler: Any) -> Any:
        scheduler.sigmas[5:] *= 0.5
        return scheduler

    owner = scheduler_class(framework, release)
    plain = denoise(owner(), torch.float32, 0)
    expected = denoise(owner(), torch.float32, 0, between=change)
    with bound(owner, binding_of(framework), release, scheduler_step):
        assert all(map(same_bits, denoise(owner(), torch.float32, 0, between=change), expected))
    assert not same_bits(plain[-1], expected[-1])


@pytest.mark.parametrize(("framework", "release"), RELEASES)
def test_gradients_equal_upstream(scheduler_step: Callable[..., Any], framework: str, release: str) -> None:
    owner = scheduler_class(framework, release)

    def gradient() -> torch.Tensor:
        scheduler = owner(solver_order=3)
        scheduler.set_timesteps(6)
        sample = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
        result = sample
        for timestep in scheduler.timesteps:
            result = scheduler.step(result.sin(), timestep, result).prev_sample
        result.square().sum().backward()
        assert sample.grad is not None
        return sample.grad

    expected = gradient()
    with bound(owner, binding_of(framework), release, scheduler_step):
        assert same_bits(gradient(), expected)


@pytest.mark.parametrize(("framework", "release"), RELEASES)
def test_bad_input_raises_what_upstream_raises(scheduler_step: Callable[..., Any], framework: str, release: str) -> None:
    owner = scheduler_class(framework, release)
    sample = torch.zeros(1, 4, 3, 3)

    def halfway() -> Any:
        scheduler = owner()
        denoise(scheduler, torch.float32, 0)
        return scheduler

    attempts: list[Callable[[Any], Any]] = [
        lambda s: s.multistep_uni_p_bh_update(sample, order=1),
        lambda s: s.multistep_uni_p_bh_update(sample, sample=sample),
        lambda s: s.multistep_uni_p_bh_update(sample, 1, sample=sample, order=1),
        lambda s: s.multistep_uni_p_bh_update(sample, sample=sample, order=5),
        lambda s: s.multistep_uni_p_bh_update(sample, sample=sample, order=1),  # past the end
        lambda s: s.multistep_uni_c_bh_update(sample, this_sample=sample, order=1),
        lambda s: s.multistep_uni_c_bh_update(sample, last_sample=sample, order=1),
        lambda s: s.multistep_uni_c_bh_update(sample, last_sample=sample, this_sample=sample),
        lambda s: owner().multistep_uni_p_bh_update(sample, sample=sample, order=1),
        lambda s: owner().multistep_uni_c_bh_update(sample, last_sample=sample, this_sample=sample, order=1),
        lambda s: owner().step(sample, 1, sample),
    ]
    for attempt in attempts:
        with pytest.raises(Exception) as expected:  # noqa: PT011 (whatever upstream raises)
            attempt(halfway())
        with (
            bound(owner, binding_of(framework), release, scheduler_step),
            pytest.raises(expected.type) as found,
        ):
            attempt(halfway())
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(("framework", "release"), RELEASES)
def test_what_the_contract_does_not_cover_is_left_to_upstream(
    scheduler_step: Callable[..., Any], framework: str, release: str
) -> None:
    """Another solver as predictor, an overridden schedule, a wider default dtype."""
    owner = scheduler_class(framework, release)

    class Overridden(owner):  # type: ignore[misc]
        def _sigma_to_alpha_sigma_t(self, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return 1 - sigma / 100, sigma

    def with_predictor() -> Any:
        other = diffusers("0.37.0").DDIMScheduler()
        return owner(solver_p=other, disable_corrector=list(range(20)))

    for make in (Overridden, with_predictor):
        expected = denoise(make(), torch.float32, 0)
        with bound(owner, binding_of(framework), release, scheduler_step) as slots:
            assert all(map(same_bits, denoise(make(), torch.float32, 0), expected))
        calls, declines = calls_and_declines(slots)
        assert calls == declines > 0


def test_wider_default_dtype_is_left_to_upstream(scheduler_step: Callable[..., Any]) -> None:
    owner = scheduler_class("diffusers", "0.42.1")
    torch.set_default_dtype(torch.float64)
    try:
        expected = denoise(owner(solver_order=1), torch.float32, 0)
        with bound(owner, diffusers_unipc.BINDING, "0.42.1", scheduler_step) as slots:
            assert all(map(same_bits, denoise(owner(solver_order=1), torch.float32, 0), expected))
        calls, declines = calls_and_declines(slots)
        assert calls == declines > 0
    finally:
        torch.set_default_dtype(torch.float32)


def test_sigmas_that_require_gradients_are_declined(scheduler_step: Callable[..., Any]) -> None:
    sigmas = torch.linspace(1, 0, 5).requires_grad_()
    sample = torch.zeros(1, 4)
    update = contract.MultistepUpdate("predictor", 1, "bh2", True, "flow", sigmas, 1, "sample", (sample,), sample)
    assert scheduler_step(update) is NotImplemented
