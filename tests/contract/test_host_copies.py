"""What the host knows of a schedule on the device: right for as long as it is known, and never of what was written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from syncfree.adapters.host_copies import Uploads, cache_for, host_copy_of, remember
from syncfree.audit import Report
from syncfree.hooks.host_timestep import position
from syncfree.plugins.sync_free.host_timestep import host_timestep
from syncfree.plugins.sync_free.schedule_upload import schedule_upload

from .schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, classes

RELEASE = "0.42.1"
VALUES = [900.0, 600.0, 300.0, 1.0]
pytestmark = [
    pytest.mark.usefixtures("sync_audit"),  # a simulated GPU
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers with numpy 2
]


def uploaded(work: Callable[[torch.Tensor], Any] = lambda there: there) -> tuple[Any, Any]:
    """What comes of an upload and of what is done with it afterwards: on the device, and what is known of it on the host."""
    with Uploads(schedule_upload) as uploads:
        result = work(torch.tensor(VALUES).to("cuda"))
    return result, uploads.shadow(result)


def is_known(pair: tuple[Any, Any]) -> bool:
    there, here = pair
    if here is there:
        return False
    assert torch.equal(there.cpu(), here)
    return True


CHANGES: dict[str, Callable[[torch.Tensor], Any]] = {
    "in place": lambda there: there.mul_(2),
    "an element": lambda there: there.__setitem__(0, 5.0),
    "a view": lambda there: there[1:].zero_(),
    "an output": lambda there: torch.mul(there, 2, out=there),
    "cut": lambda there: there.resize_(2),
    "turned": lambda there: there.unsqueeze_(0),
    "other memory": lambda there: setattr(there, "data", there * 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_schedule_that_is_changed_while_it_is_made_is_not_known(change: str) -> None:
    def work(there: torch.Tensor) -> torch.Tensor:
        CHANGES[change](there)
        return there

    if change != "other memory":  # nobody does that in set_timesteps
        assert not is_known(uploaded(work))
        assert not is_known(uploaded(lambda there: torch.cat([work(there), there]) if there.dim() == 1 else there))


@pytest.mark.parametrize("change", CHANGES)
def test_a_schedule_that_was_changed_has_no_twin(change: str) -> None:
    there, here = uploaded()
    remember(there, here)
    assert host_copy_of(there) is here
    CHANGES[change](there)
    assert host_copy_of(there) is None


def test_what_is_computed_from_an_upload_is_known() -> None:
    assert is_known(uploaded(lambda there: torch.cat([there[1:].flip(0) * 3, torch.zeros(1, device="cuda")]).to(torch.int64)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, -(2.0**63)])
def test_what_an_integer_cannot_hold_is_not_known(value: float) -> None:
    """Devices make different integers of it."""
    with Uploads(schedule_upload) as uploads:
        there = torch.tensor([value, 1.0]).to("cuda").to(torch.int64)
    assert uploads.shadow(there) is there


class Subclass(torch.Tensor):
    pass


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor(VALUES, requires_grad=True),
        torch.tensor(VALUES).as_subclass(Subclass),
        torch.tensor(VALUES).to_sparse(),
        torch.nn.Parameter(torch.tensor(VALUES)),
    ],
    ids=["gradients", "subclass", "sparse", "parameter"],
)
def test_what_is_no_plain_tensor_is_uploaded_by_upstream(values: torch.Tensor) -> None:
    assert schedule_upload(values, torch.device("cuda"), torch.float32) is NotImplemented
    uploads = Uploads(schedule_upload)
    expected = _ended(lambda: values.to("cuda"))
    with uploads:
        assert _ended(lambda: values.to("cuda")) == expected
    assert uploads._shadows == {}


def _ended(call: Callable[[], torch.Tensor]) -> Any:
    try:
        result = call()
    except (RuntimeError, NotImplementedError) as error:
        return str(error)
    return type(result), result.requires_grad, result.device, result.layout


def test_other_devices_than_cuda_are_upstream_s() -> None:
    assert schedule_upload(torch.tensor(VALUES), torch.device("meta"), torch.float32) is NotImplemented
    with Uploads(schedule_upload) as uploads:
        there = torch.tensor(VALUES).to("meta")
    assert uploads.shadow(there) is there


def test_a_timestep_is_found_in_no_schedule_that_it_is_not_of() -> None:
    schedule = torch.tensor(VALUES).to("cuda")
    here = torch.tensor(VALUES)
    assert [position(one, schedule) for one in schedule] == [0, 1, 2, 3]
    assert position(schedule[0].expand(4)[1], schedule[:1].expand(4)) is None
    assert position(schedule[3], schedule[::2]) is None
    assert position(schedule[0], schedule[:0]) is None
    for odd in (schedule[0].as_subclass(Subclass), here[0].to_sparse(), here[0].to("meta")):
        assert host_timestep(odd, schedule, here) is NotImplemented


def test_notes_are_kept_of_plain_floats_only() -> None:
    values = torch.tensor(VALUES)
    notes = cache_for(values)
    assert notes == {}
    assert cache_for(values) is notes
    values[0] = 5.0
    assert cache_for(values) is not notes
    with torch.inference_mode():
        made_there = torch.tensor(VALUES)
    odd = (values.half(), values.long(), values.clone().requires_grad_(), values.to("meta"), made_there, VALUES)
    assert [cache_for(one) for one in odd] == [None] * len(odd)


@pytest.fixture
def sasolver() -> Any:
    (owner,) = (one for one in classes(RELEASE) if one.__name__ == "SASolverScheduler")
    return owner


def steps(scheduler: Any) -> None:
    scheduler.set_timesteps(6, device="cuda")
    for number, timestep in enumerate(scheduler.timesteps):
        draw = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(number))
        scheduler.step(draw.to("cuda"), timestep, draw.to("cuda"))


def test_the_timesteps_that_sasolver_keeps_stay_on_the_device(sasolver: Any, sync_audit: Report) -> None:
    with all_bound(sasolver, RELEASE, FUNCTIONS) as totals:
        scheduler = sasolver()
        steps(scheduler)
        assert totals()[1] == 0
    assert not any("scheduling_sasolver" in frame.file for sync in sync_audit.hard for frame in sync.stack)
    assert {one.device.type for one in scheduler.timestep_list} == {"cuda"}


def test_a_users_own_tau_of_sasolver_gets_the_devices_timestep(sasolver: Any) -> None:
    got: list[torch.Tensor] = []

    def tau(timestep: torch.Tensor) -> int:
        got.append(timestep)
        return 0

    with all_bound(sasolver, RELEASE, FUNCTIONS):
        steps(sasolver(tau_func=tau))
    assert {one.device.type for one in got} == {"cuda"}
