"""The implementation keeps its contract on real ranks; ``pytest --syncfree-check memfd_all_to_all`` has more checks."""

import os
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from memfd_all_to_all import sequence_parallel_all_to_all as module
from memfd_all_to_all.sequence_parallel_all_to_all import sequence_parallel_all_to_all

from syncfree.hooks import HOOKS
from syncfree.testing import check_implementation

REFERENCE = HOOKS["sequence_parallel_all_to_all"].reference
DTYPES = (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64)


def on_ranks(size, situations, folder):
    """Run each situation, ``function(rank, size)``, on ranks that Gloo joins; an error of one is raised here."""
    mp.spawn(_rank, (size, situations, f"file://{folder}/store"), nprocs=size)


def _rank(rank, size, situations, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size, timeout=timedelta(seconds=120))
    for situation in situations:
        module._exchanges.clear()
        situation(rank, size)
    dist.destroy_process_group()


def same_as_the_reference(tensors, group=None):
    for found, expected in zip(sequence_parallel_all_to_all(tensors, group), REFERENCE(tensors, group), strict=True):
        assert found.dtype == expected.dtype
        assert found.is_contiguous()
        assert torch.equal(found.view(torch.uint8), expected.view(torch.uint8))


def exchanges(rank, size):
    generator = torch.Generator().manual_seed(rank)
    for number in range(12):  # sizes that grow and shrink, so that segments are made again and halves are used again
        shape = (size * (1 + number * 7 % 12), 3, 1 + number % 5)
        tensors = tuple((torch.randn(shape, generator=generator) * 100).to(dtype) for dtype in DTYPES)
        views = tuple(tensor.permute(0, 2, 1) for tensor in tensors)
        before = [tensor.clone() for tensor in tensors]
        same_as_the_reference(tensors if number % 2 else views)
        assert all(map(torch.equal, tensors, before))
    same_as_the_reference((torch.zeros(0, 4), torch.ones(size, 1)))


def results_are_kept(rank, size):
    """What an exchange returned is not in the segments, which later exchanges write."""
    first = sequence_parallel_all_to_all((torch.full((size, 100), rank),), None)[0]
    for _ in range(4):
        sequence_parallel_all_to_all((torch.full((size, 100), -1),), None)
    assert first[:, 0].tolist() == list(range(size))


def subgroups(rank, size):
    """A rank's exchanges with some ranks and with all do not disturb each other."""
    groups = [dist.new_group(list(range(first, size, 2))) for first in range(2)]
    for number in range(5):
        same_as_the_reference((torch.full((size, 3), 10 * rank + number),), groups[rank % 2])
        same_as_the_reference((torch.full((size, 3), 10 * rank - number),))


def nothing_is_left(rank, size):
    for number in range(3):  # each larger than the one before: the segments are made again
        sequence_parallel_all_to_all((torch.ones(size, 10 ** (number + 3)),), None)
        assert _mapped_segments() == size
    module._exchanges.clear()
    assert _mapped_segments() == 0
    assert not any(module.NAME in os.readlink(file.path) for file in os.scandir("/proc/self/fd") if file.is_symlink())


def _mapped_segments():
    return sum(module.NAME in line for line in Path("/proc/self/maps").read_text().splitlines())


def a_lost_rank(rank, size):
    sequence_parallel_all_to_all((torch.ones(size),), None)
    dist.barrier()
    if rank == 1:
        os._exit(0)
    with pytest.raises(RuntimeError, match=r"Connection (closed|reset)|Broken pipe"):
        sequence_parallel_all_to_all((torch.ones(size),), None)
    os._exit(0)


def a_rank_without_memory(rank, size):
    if rank == 1:

        def refuse(*_):
            raise OSError(28, "No space left on device")

        kept, module._new_segment = module._new_segment, refuse
    with pytest.raises(RuntimeError, match=r"rank 1 cannot make a segment of \d+ bytes: .*No space left"):
        sequence_parallel_all_to_all((torch.ones(size),), None)
    if rank == 1:
        module._new_segment = kept
    same_as_the_reference((torch.ones(size),))


def uneven_parts(rank, size):
    for tensor in (torch.ones(size + 1), torch.tensor(1.0)):
        with pytest.raises(ValueError, match=f"cannot be split in {size} equal parts"):
            sequence_parallel_all_to_all((tensor,), None)


def other_devices(rank, size):
    assert sequence_parallel_all_to_all((torch.ones(size), torch.ones(size, device="meta")), None) is NotImplemented


def test_the_plugin_is_installed():
    assert "memfd_all_to_all" in {point.name for point in entry_points(group="syncfree")}


def test_it_keeps_the_contract():
    check_implementation("sequence_parallel_all_to_all", "memfd_all_to_all")


SITUATIONS = (exchanges, results_are_kept, subgroups, nothing_is_left, a_rank_without_memory, uneven_parts, other_devices)


@pytest.mark.parametrize("size", [2, 4])
def test_every_situation_on_ranks(size, tmp_path):
    on_ranks(size, SITUATIONS, tmp_path)


def test_a_lost_rank_is_an_error_on_the_others(tmp_path):
    on_ranks(2, (a_lost_rank,), tmp_path)
