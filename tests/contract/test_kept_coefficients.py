"""The scalars of a schedule that are kept, and programs recorded of what is left of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from syncfree.adapters.diffusers.step_coefficients.recorded import Recorder
from syncfree.plugins.coefficient_table.step_coefficients import step_coefficients


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
