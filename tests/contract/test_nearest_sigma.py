"""SGLang's schedulers that look timesteps up or upload a schedule, and solve nothing: upstream's samples, without a wait."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from syncfree.plugins.sync_free.nearest_sigma import nearest_sigma

from .test_sglang_schedulers import run_apart

Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["0.5.9", "0.5.23"])
def found(request: pytest.FixtureRequest) -> Found:
    return run_apart("sglang_lookups_on_a_simulated_gpu", request.param)  # type: ignore[no-any-return]


def test_every_sample_is_upstream_s_and_so_is_the_schedule_afterwards(found: Found) -> None:
    assert len(found) >= 131
    assert [case for case, one in found.items() if not one["equal"]] == []


def test_upstream_makes_the_host_wait_in_every_case_and_we_in_none(found: Found) -> None:
    assert [case for case, one in found.items() if not one["upstream"] or one["ours"]] == []


def test_nothing_was_declined(found: Found) -> None:
    assert [case for case, one in found.items() if one["declines"] or not one["calls"]] == []


@pytest.mark.parametrize("shape", [(), (2, 2)])
def test_timesteps_that_are_no_row_are_declined(shape: tuple[int, ...]) -> None:
    schedule = torch.linspace(1, 0, 4)
    assert nearest_sigma(torch.ones(shape), schedule, schedule, 0.0) is NotImplemented


def test_an_empty_schedule_is_declined() -> None:
    assert nearest_sigma(torch.ones(1), torch.ones(0), torch.ones(0), 0.0) is NotImplemented


def test_one_timestep_at_the_end_takes_all_of_them_to_the_end() -> None:
    sigmas = torch.tensor([1.0, 0.5, 0.25])
    change = nearest_sigma(torch.tensor([1000.0, 250.0]), sigmas * 1000, sigmas, 0.0)
    assert change.tolist() == [-1.0, -0.25]
