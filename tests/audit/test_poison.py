"""Poison mode: a race that hardware would show fails a test."""

from __future__ import annotations

import math

import pytest
import torch

from syncfree.audit import PinnedMemoryRace, simulated

pytestmark = pytest.mark.sync_budget(100, poison=True)


def values(n: int = 4) -> torch.Tensor:
    return torch.arange(1.0, n + 1).cuda()


def test_a_download_holds_nan_until_its_event_is_waited_for() -> None:
    found = values().to("cpu", non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    assert all(map(math.isnan, found.tolist()))
    event.synchronize()
    assert found.tolist() == [1, 2, 3, 4]


def test_an_event_from_before_the_copy_does_not_order_it() -> None:
    event = torch.cuda.Event()
    event.record()
    found = values().to("cpu", non_blocking=True)
    event.synchronize()
    assert all(map(math.isnan, found.tolist()))
    torch.cuda.synchronize()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.float8_e4m3fn])
def test_every_floating_point_format_is_poisoned_with_nan(dtype: torch.dtype) -> None:
    found = values().to(dtype).to("cpu", non_blocking=True)
    assert found.to(torch.complex64).isnan().all()
    torch.cuda.synchronize()
    assert not found.to(torch.complex64).isnan().any()


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_integers_and_bools_are_poisoned_with_wrong_values(dtype: torch.dtype) -> None:
    source = values().to(dtype)
    found = source.to("cpu", non_blocking=True)
    assert not (found == torch.arange(1, 5).to(dtype)).any()
    torch.cuda.current_stream().synchronize()
    assert torch.equal(found, torch.arange(1, 5).to(dtype))


@pytest.mark.parametrize("wait", [lambda x: x.sum().item(), lambda x: x.cpu(), lambda x: torch.cuda.synchronize()])
def test_any_wait_of_the_stream_orders_the_copy(wait: object) -> None:
    x = values()
    found = x.to("cpu", non_blocking=True)
    wait(x)  # type: ignore[operator]
    assert found.tolist() == [1, 2, 3, 4]


def test_another_stream_s_wait_does_not_order_the_copy_unless_it_waited_for_this_one() -> None:
    side = torch.cuda.Stream()
    found = values().to("cpu", non_blocking=True)
    side.synchronize()
    assert all(map(math.isnan, found.tolist()))
    side.wait_stream(torch.cuda.current_stream())
    side.synchronize()
    assert found.tolist() == [1, 2, 3, 4]


def test_reusing_a_pinned_buffer_too_soon_is_an_error() -> None:
    buffer, target = torch.ones(4, pin_memory=True), torch.empty(4, device="cuda")
    target.copy_(buffer, non_blocking=True)
    buffer.fill_(2)
    with pytest.raises(PinnedMemoryRace, match=r"host-to-device non_blocking copy, queued at .*test_poison\.py"):
        torch.cuda.synchronize()


def test_reusing_a_pinned_buffer_through_numpy_is_noticed_too() -> None:
    buffer, target = torch.ones(4, pin_memory=True), torch.empty(4, device="cuda")
    target.copy_(buffer, non_blocking=True)
    buffer.numpy()[0] = 5
    with pytest.raises(PinnedMemoryRace):
        target.copy_(buffer, non_blocking=True)


def test_reusing_a_pinned_buffer_after_its_event_is_right() -> None:
    buffer, target = torch.ones(4, pin_memory=True), torch.empty(4, device="cuda")
    for number in range(3):
        buffer.fill_(number)
        target.copy_(buffer, non_blocking=True)
        torch.cuda.current_stream().record_event().synchronize()
    assert target.tolist() == [2, 2, 2, 2]


def test_writing_a_download_s_destination_before_it_arrived_is_an_error() -> None:
    found = values().to("cpu", non_blocking=True)
    found.zero_()
    with pytest.raises(PinnedMemoryRace, match="device-to-host"):
        torch.cuda.synchronize()


def test_a_kernel_of_another_stream_must_wait_for_an_upload() -> None:
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        uploaded = torch.ones(4).pin_memory().to("cuda", non_blocking=True)
    with pytest.raises(PinnedMemoryRace, match="in another stream"):
        uploaded + 1
    torch.cuda.current_stream().wait_stream(side)
    assert (uploaded + 1).tolist() == [2, 2, 2, 2]


def test_a_chain_through_one_pinned_buffer_in_one_stream_is_right() -> None:
    buffer = torch.empty(4, pin_memory=True)
    buffer.copy_(values(), non_blocking=True)
    again = torch.empty(4, device="cuda")
    again.copy_(buffer, non_blocking=True)
    assert again.tolist() == [1, 2, 3, 4]


def test_a_race_that_nothing_waits_for_shows_at_the_end() -> None:
    torch.cuda.synchronize()
    buffer = torch.ones(4, pin_memory=True)
    # The test's own poison region ends later; finishing what is pending is what its end does.
    torch.empty(4, device="cuda").copy_(buffer, non_blocking=True)
    buffer.zero_()
    from syncfree.audit.simulated._ordering import finish_everything

    with pytest.raises(PinnedMemoryRace):
        finish_everything()


@pytest.mark.sync_budget(1)
def test_without_poison_a_download_is_there_at_once() -> None:
    assert values(2).to("cpu", non_blocking=True).tolist() == [1, 2]
    assert simulated.is_installed()
