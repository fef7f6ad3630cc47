"""Schedules that are computed on the device: what the host may say of them, and what it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from syncfree.adapters import recipes
from syncfree.adapters.device_copies import device_copy
from syncfree.adapters.host_copies import close_values_of, has_distinct_values, host_copy_of, remember_close
from syncfree.adapters.uploads import Uploads
from syncfree.audit import audit
from syncfree.plugins.sync_free.schedule_upload import schedule_upload
from syncfree.plugins.sync_free.timestep_index import timestep_index

pytestmark = pytest.mark.usefixtures("sync_audit")  # a simulated GPU
SIGMAS = [80.0, 10.0, 1.0, 0.002]


@pytest.fixture(autouse=True)
def _nothing_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "_downloads", {})


def made(work: Callable[[], Any]) -> Any:
    with Uploads(schedule_upload) as uploads:
        result = work()
    uploads.followed.keep(result)
    return result


def uploaded(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).to("cuda")


COMPUTED: dict[str, Callable[[], torch.Tensor]] = {
    "log": lambda: 0.25 * torch.log(uploaded(SIGMAS)),
    "atan": lambda: torch.atan(uploaded(SIGMAS)) / 3.14 * 2,
    "linspace": lambda: torch.linspace(1.5, 0, 20, device="cuda").float(),
}


@pytest.mark.parametrize("function", COMPUTED)
def test_values_are_close_and_distinct_but_not_known(function: str) -> None:
    schedule = made(COMPUTED[function])
    assert host_copy_of(schedule) is None
    close = close_values_of(schedule)
    assert close is not None
    assert torch.allclose(close, schedule.cpu())
    assert has_distinct_values(schedule)


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.log(uploaded([80.0, 80.0, 1.0])),
        lambda: torch.log(uploaded([80.0, 80.0001, 1.0])),  # their logarithms may be rounded to one value
        lambda: torch.log(uploaded([1.0, 0.0])),
        lambda: torch.log(uploaded([1.0, -1.0])),
        lambda: torch.atan(uploaded([1e9, 2e9])),
        lambda: torch.linspace(1.0, 1.0, 5, device="cuda"),
        lambda: torch.log(uploaded(SIGMAS)) - 1,  # a difference of close values need not be close
        lambda: torch.linspace(1.0, 0.0, 5, device="cuda", dtype=torch.float16),
        lambda: torch.randn(4, device="cuda"),
    ],
    ids=["equal", "nearly equal", "infinite", "nan", "saturated", "constant", "subtracted", "half", "random"],
)
def test_values_that_may_be_equal_or_are_not_known_are_not_called_distinct(work: Callable[[], torch.Tensor]) -> None:
    assert not has_distinct_values(made(work))


def test_a_schedule_that_was_written_to_is_not_called_distinct() -> None:
    schedule = made(COMPUTED["log"])
    schedule[1] = schedule[0]
    assert not has_distinct_values(schedule)
    assert close_values_of(schedule) is None


def test_a_timestep_is_placed_in_every_position_and_a_copy_of_it_is_not() -> None:
    schedule = made(COMPUTED["log"])
    with audit() as report:
        assert [timestep_index(timestep, schedule) for timestep in schedule] == [0, 1, 2, 3]
        assert timestep_index(schedule[2].clone(), schedule) is NotImplemented
    assert report.count == 0


def interpolated(middle: float = 0.5) -> torch.Tensor:
    sigmas = uploaded(SIGMAS)
    changed = sigmas.roll(1)
    changed[0] = 0.5
    return sigmas.log().lerp(changed.log(), middle).exp().cpu()


def waits_and_result(work: Callable[[], torch.Tensor]) -> tuple[int, torch.Tensor]:
    with audit() as report:
        result = made(work)
    return report.count, result


def test_a_download_of_what_was_computed_alike_is_made_once() -> None:
    first, second = waits_and_result(interpolated), waits_and_result(interpolated)
    assert (first[0], second[0]) == (1, 0)
    assert torch.equal(first[1], second[1])
    second[1].zero_()  # a copy of its own
    assert torch.equal(made(interpolated), first[1])


@pytest.mark.parametrize(
    "other",
    [
        lambda: interpolated(0.25),
        lambda: interpolated().double(),
        lambda: uploaded([81.0, 10.0, 1.0, 0.002]).log().exp().cpu(),
        lambda: torch.log(uploaded(SIGMAS).sum()).cpu(),
        lambda: (uploaded(SIGMAS) + torch.randn(4, device="cuda")).cpu(),
    ],
    ids=["another number", "another dtype", "other values", "a reduction", "random numbers"],
)
def test_what_was_computed_in_another_way_is_downloaded(other: Callable[[], torch.Tensor]) -> None:
    made(interpolated)
    for seed in range(2):
        torch.manual_seed(seed)
        result = made(other)
        torch.manual_seed(seed)
        assert torch.equal(result, other())


def test_a_write_in_between_is_part_of_how_it_was_computed() -> None:
    def work(value: float) -> torch.Tensor:
        computed = uploaded(SIGMAS).log()
        computed[-1] = value
        return computed.cpu()

    assert made(lambda: work(1.0)).tolist() != made(lambda: work(2.0)).tolist()


def test_a_list_of_device_scalars_is_put_together_there() -> None:
    def work() -> torch.Tensor:
        return torch.tensor([2.0**element for element in uploaded(SIGMAS[1:])], dtype=torch.float32, device="cuda")

    waits, result = waits_and_result(work)
    assert waits == 0
    assert torch.equal(result, torch.tensor([2.0**element for element in uploaded(SIGMAS[1:])], device="cuda"))


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.float64])
@pytest.mark.parametrize("device", ["cuda", "cuda:0", None])
def test_a_list_is_made_the_tensor_that_upstream_makes(dtype: torch.dtype | None, device: str | None) -> None:
    for data in ([1.5, 1, 0], [True, False], [2**40], [], [[1.0], [2.0]], [torch.tensor(2.5, device="cuda")] * 2):
        expected = torch.tensor(data, dtype=dtype, device=device)
        result = made(lambda: torch.tensor(data, dtype=dtype, device=device))  # noqa: B023
        assert (result.dtype, result.device) == (expected.dtype, expected.device)
        assert torch.equal(result, expected)


def test_constants_are_uploaded_once_until_they_are_written_to() -> None:
    values, beside = torch.tensor([0.5, 2.0]), torch.zeros(1, device="cuda")
    copy = device_copy(values, beside, schedule_upload)
    assert copy is not None
    assert device_copy(values, beside, schedule_upload) is copy
    values.numpy()[0] = 3.0
    assert device_copy(values, beside, schedule_upload).tolist() == [3.0, 2.0]  # type: ignore[union-attr]
    assert device_copy(values.half(), beside, schedule_upload) is None


def test_close_values_of_a_schedule_of_inference_mode_are_not_kept() -> None:
    with torch.inference_mode():
        schedule = torch.linspace(1.0, 0.0, 5, device="cuda")
        remember_close(schedule, torch.linspace(1.0, 0.0, 5), None)
    assert close_values_of(schedule) is None
