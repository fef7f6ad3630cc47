"""What is found again by a tensor belongs to the bytes that the tensor has now."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch

from syncfree.plugins.found_by_content import FoundByContent
from syncfree.plugins.ordinary import content


def kept() -> tuple[FoundByContent[str], torch.Tensor]:
    found: FoundByContent[str] = FoundByContent()
    schedule = torch.tensor([3.0, 2.0, 1.0])
    found.keep(schedule, content(schedule), "what was found")
    return found, schedule


def by_torch(schedule: torch.Tensor) -> None:
    schedule[1] = 7.0


def by_numpy(schedule: torch.Tensor) -> None:
    schedule.numpy()[1] = 7.0


def by_other_memory(schedule: torch.Tensor) -> None:
    schedule.data = schedule.clone()


def by_gradients(schedule: torch.Tensor) -> None:
    schedule.requires_grad_()


def test_a_tensor_that_is_as_it_was_is_known_and_an_equal_one_is_not() -> None:
    found, schedule = kept()
    assert found.get(schedule) == "what was found"
    assert found.get(schedule.clone()) is None


@pytest.mark.parametrize("change", [by_torch, by_numpy, by_other_memory, by_gradients])
def test_a_tensor_that_changed_is_not_known(change: Callable[[torch.Tensor], None]) -> None:
    found, schedule = kept()
    change(schedule)
    assert found.get(schedule) is None


def test_a_tensor_that_was_changed_back_is_known_again() -> None:
    found, schedule = kept()
    schedule[1] = 7.0
    assert found.get(schedule) is None
    schedule[1] = 2.0
    assert found.get(schedule) == "what was found"


def test_nothing_is_kept_for_a_tensor_that_is_gone() -> None:
    found, schedule = kept()
    del schedule
    gc.collect()
    assert found._kept == {}


def test_a_tensor_whose_memory_holds_the_negatives_of_its_numbers_is_not_kept() -> None:
    found: FoundByContent[str] = FoundByContent()
    numbers = torch.tensor([1 + 2j, 3 + 4j]).conj().imag
    assert numbers.is_neg()
    found.keep(numbers, content(numbers), "what was found")
    assert found.get(numbers) is None
