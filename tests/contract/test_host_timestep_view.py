"""Upstream's methods run on a view of the scheduler: nobody else sees the host's schedule, and an error leaves nothing behind."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from syncfree.adapters.host_view import uses_own_methods, view_of
from syncfree.audit import Report

from .support.schedulers_on_a_simulated_gpu import FUNCTIONS, all_bound, classes

RELEASE = "0.42.1"
CUSTOM = [900, 600, 300, 1]


class Scheduler:
    """As much of one as a view is of."""

    def __init__(self) -> None:
        self.timesteps = "on the device"
        self.step_index = 0

    def step(self, more: int) -> str:
        self.step_index += more
        self.last = self._told()
        return self.last

    def _told(self) -> str:
        return f"{self.timesteps} at {self.step_index}"


def test_a_view_shares_everything_but_what_it_was_given() -> None:
    scheduler = Scheduler()
    view = view_of(scheduler, timesteps="on the host")
    assert view.step(2) == "on the host at 2"
    assert (scheduler.timesteps, scheduler.step_index, scheduler.last) == ("on the device", 2, "on the host at 2")
    assert isinstance(view, Scheduler)
    assert repr(type(view)) == repr(Scheduler)


def test_what_is_assigned_through_a_view_is_the_schedulers() -> None:
    scheduler = Scheduler()
    view_of(scheduler, timesteps="on the host").timesteps = "another"
    assert scheduler.timesteps == "another"


def test_a_scheduler_is_the_same_after_it_had_views() -> None:
    scheduler = Scheduler()
    view_of(scheduler, timesteps="on the host").step(1)
    assert list(vars(scheduler)) == ["timesteps", "step_index", "last"]
    for other in (copy.copy(scheduler), copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert type(other) is Scheduler
        assert vars(other) == vars(scheduler)


def test_making_a_view_is_not_announced_as_a_subclass() -> None:
    announced: list[type] = []

    class Announcing(Scheduler):
        def __init_subclass__(cls) -> None:
            announced.append(cls)

    assert view_of(Announcing(), timesteps="on the host").step(1) == "on the host at 1"
    assert announced == []


def test_a_class_whose_instances_are_more_than_their_dictionary_has_no_views() -> None:
    class Slotted(Scheduler):
        __slots__ = ("more",)

    class Meta(type):
        pass

    class OfAMetaclass(Scheduler, metaclass=Meta):
        pass

    class Assigning(Scheduler):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)

    assert [view_of(one(), timesteps="x") for one in (Slotted, OfAMetaclass, Assigning)] == [None] * 3


def test_methods_of_a_subclass_of_an_instance_and_put_on_the_class_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Scheduler.step.__globals__, "Scheduler", Scheduler)
    is_upstreams = uses_own_methods(Scheduler.step)

    class Overriding(Scheduler):
        def _told(self) -> str:
            return "mine"

    class Plain(Scheduler):
        def unrelated(self) -> None:
            pass

    one = Scheduler()
    assert is_upstreams(one)
    assert is_upstreams(Plain())
    assert not is_upstreams(Overriding())
    vars(one)["_told"] = lambda: "mine"
    assert not is_upstreams(one)
    monkeypatch.setattr(Scheduler, "_told", lambda self: "mine")
    assert not is_upstreams(Scheduler())
    monkeypatch.undo()
    assert is_upstreams(Scheduler())


@pytest.fixture
def ddpm(sync_audit: Report) -> Any:
    """The class, on a simulated GPU."""
    (owner,) = (one for one in classes(RELEASE) if one.__name__ == "DDPMScheduler")
    return owner


def draw(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(seed)).to("cuda")


def stepped(scheduler: Any, timestep: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = scheduler.step(draw(1), timestep, draw(2), generator=torch.Generator().manual_seed(3)).prev_sample
    return result.cpu()


def while_it_draws_noise(monkeypatch: pytest.MonkeyPatch, owner: Any, work: Callable[[], None]) -> None:
    """Do something in the middle of upstream's step, once."""
    names = owner.add_noise.__globals__
    draws, waiting = names["randn_tensor"], [work]

    def randn_tensor(*arguments: Any, **more: Any) -> Any:
        if waiting:
            waiting.pop()()
        return draws(*arguments, **more)

    monkeypatch.setitem(names, "randn_tensor", randn_tensor)


def test_nobody_sees_the_hosts_schedule_during_a_step(ddpm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = ddpm()
    scheduler.set_timesteps(4, device="cuda")
    with all_bound(ddpm, RELEASE, FUNCTIONS) as totals:
        scheduler.set_timesteps(4, device="cuda")
        schedule = scheduler.timesteps
        seen: list[Any] = []
        while_it_draws_noise(monkeypatch, ddpm, lambda: seen.append(scheduler.timesteps))
        stepped(scheduler, schedule[0])
        assert [one is schedule for one in seen] == [True]
        assert totals()[1] == 0


def test_a_second_thread_steps_on_a_scheduler_in_the_middle_of_a_step(ddpm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As upstream's stateless schedulers allow. Custom timesteps are searched, on the device that they are on."""
    scheduler = ddpm()
    scheduler.set_timesteps(timesteps=CUSTOM, device="cuda")
    expected = [stepped(scheduler, timestep) for timestep in scheduler.timesteps[:2]]
    with all_bound(ddpm, RELEASE, FUNCTIONS) as totals:
        scheduler.set_timesteps(timesteps=CUSTOM, device="cuda")
        first, second = scheduler.timesteps[:2]
        found: list[torch.Tensor] = []

        def in_another_thread() -> None:
            thread = threading.Thread(target=lambda: found.append(stepped(scheduler, second)))
            thread.start()
            thread.join(30)

        while_it_draws_noise(monkeypatch, ddpm, in_another_thread)
        found.append(stepped(scheduler, first))
        assert [torch.equal(ours, theirs) for ours, theirs in zip(found, reversed(expected), strict=True)] == [True, True]
        assert totals()[1] == 0


def test_a_users_own_method_gets_what_upstream_hands_it(ddpm: Any) -> None:
    handed: list[Any] = []

    class Own(ddpm):  # type: ignore[misc]
        def previous_timestep(self, timestep: Any) -> Any:
            handed.append((type(timestep), timestep.device, self.timesteps.device))
            return super().previous_timestep(timestep)

    with all_bound(ddpm, RELEASE, FUNCTIONS) as totals:
        scheduler = Own()
        scheduler.set_timesteps(4, device="cuda")
        stepped(scheduler, scheduler.timesteps[0])
        assert totals()[1] > 0
    assert {(kind, where.type, schedule.type) for kind, where, schedule in handed} == {(torch.Tensor, "cuda", "cuda")}
