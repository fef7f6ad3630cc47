"""Pinned memory is allocated by the driver once per size; `warm` does that before anything is served."""

from __future__ import annotations

import pytest
import torch

from syncfree.plugins.pinned import pinned_copy, warm


def allocations() -> int:
    return int(torch.cuda.memory.host_memory_stats()["num_host_alloc"])


def upload(size: int) -> torch.Tensor:
    return pinned_copy(torch.ones(size)).to("cuda", non_blocking=True)


def test_after_warming_no_upload_allocates() -> None:
    torch.zeros(1, device="cuda")
    warm(1 << 16)
    before = allocations()
    for size in (1, 3, 40, 1000, 5000, 16384):
        upload(size)
    assert allocations() == before


def test_without_warming_the_first_upload_of_a_size_allocates_and_the_second_does_not() -> None:
    torch.zeros(1, device="cuda")
    before = allocations()
    upload(1 << 20)
    assert allocations() == before + 1
    upload(1 << 20)
    assert allocations() == before + 1


@pytest.mark.parametrize(("largest", "each"), [(0, 1), (1, 0)])
def test_numbers_below_one_are_refused(largest: int, each: int) -> None:
    with pytest.raises(ValueError, match=f"got {largest} and {each}"):
        warm(largest, each)
