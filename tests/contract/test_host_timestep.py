"""`host_timestep`: a timestep has the value of the schedule that it is of, and stays on the device where upstream keeps it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from syncfree.audit import Report
from syncfree.hooks.host_timestep import position
from syncfree.plugins.sync_free.host_timestep import host_timestep

from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, classes

RELEASE = "0.42.1"
VALUES = [900.0, 600.0, 300.0, 1.0]
pytestmark = [
    pytest.mark.usefixtures("sync_audit"),  # a simulated GPU
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers with numpy 2
]


class Subclass(torch.Tensor):
    pass


def test_a_timestep_is_found_in_no_schedule_that_it_is_not_of() -> None:
    schedule = torch.tensor(VALUES).to("cuda")
    here = torch.tensor(VALUES)
    assert [position(one, schedule) for one in schedule] == [0, 1, 2, 3]
    assert position(schedule[0].expand(4)[1], schedule[:1].expand(4)) is None
    assert position(schedule[3], schedule[::2]) is None
    assert position(schedule[0], schedule[:0]) is None
    for odd in (schedule[0].as_subclass(Subclass), here[0].to_sparse(), here[0].to("meta")):
        assert host_timestep(odd, schedule, here) is NotImplemented


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
