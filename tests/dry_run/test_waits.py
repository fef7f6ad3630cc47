"""The waits of PyTorch's own CUDA code, as the dry run sees them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from syncfree.audit import AuditError, Kind, allow, audit, dry_run, step
from syncfree.audit.simulated import install


@pytest.fixture
def x() -> torch.Tensor:
    return torch.ones(8, device="cuda")


HARD: dict[str, tuple[Callable[[torch.Tensor], Any], list[tuple[Kind, str]]]] = {
    "a value that is read": (lambda x: x.sum().item(), [(Kind.ITEM, "aten::_local_scalar_dense")]),
    "a copy to the host": (lambda x: x.cpu(), [(Kind.D2H, "aten::_to_copy")]),
    "a tensor made of a list": (lambda x: torch.tensor([1, 2], device="cuda"), [(Kind.H2D, "cudaStreamSynchronize")]),
    "a blocking upload": (lambda x: torch.ones(3).cuda(), [(Kind.H2D, "aten::_to_copy")]),
    "a shape that depends on data": (lambda x: x.nonzero(), [(Kind.DATA_SHAPE, "aten::nonzero")]),
    "the whole device": (lambda x: torch.cuda.synchronize(), [(Kind.WAIT, "torch.cuda.synchronize")]),
}


@pytest.mark.parametrize("name", HARD)
def test_a_wait_is_recorded_with_its_operator_and_this_line(name: str, x: torch.Tensor) -> None:
    run, expected = HARD[name]
    with audit(backend="dry-run") as report:
        run(x)
    assert [(sync.kind, sync.op) for sync in report.hard] == expected
    assert {sync.where.file for sync in report.hard} == {__file__}


@pytest.mark.parametrize(
    "run",
    [
        lambda x: (x * 2).sum(),
        lambda x: x.to("cpu", non_blocking=True),  # torch pins what it copies to
        lambda x: torch.ones(3).pin_memory().to("cuda", non_blocking=True),
        lambda x: x.view(2, 4) @ x.view(4, 2),
        lambda x: torch.randn(3, device="cuda"),
        lambda x: torch.where(x > 1, x, 0.0),
    ],
)
def test_what_only_launches_does_not_wait(run: Callable[[torch.Tensor], Any], x: torch.Tensor) -> None:
    with audit(budget=0, backend="dry-run") as report:
        run(x)
    assert report.everything == []


def test_pageable_memory_is_staged_and_does_not_wait_for_the_queue() -> None:
    with audit(budget=0) as report:
        torch.ones(3).to("cuda", non_blocking=True)
    assert [(sync.kind, sync.hard) for sync in report.everything] == [(Kind.STAGED, False)]


def test_waits_of_autograd_belong_to_the_thread_that_called_backward() -> None:
    class Reading(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, value: torch.Tensor) -> torch.Tensor:
            return value.clone()

        @staticmethod
        def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
            gradient.sum().item()
            return gradient

    value = torch.ones(3, device="cuda", requires_grad=True)
    with audit() as report:
        Reading.apply(value).sum().backward()  # type: ignore[no-untyped-call]
    assert [sync.kind for sync in report.hard] == [Kind.ITEM]


def test_steps_and_allowed_regions_are_as_on_the_other_back_ends(x: torch.Tensor) -> None:
    with audit(budget=0) as report:
        for _ in range(2):
            step("decode")
            with allow("the result is wanted"):
                x.cpu()
    assert [(sync.step, sync.phase, sync.allowed) for sync in report.everything] == [
        (0, "decode", "the result is wanted"),
        (1, "decode", "the result is wanted"),
    ]


def test_a_wait_while_an_exception_is_set_leaves_the_exception(x: torch.Tensor) -> None:
    class Waiting:
        def __del__(self) -> None:
            x.cpu()

    def raising() -> None:
        kept = Waiting()
        try:
            raise KeyError("mine")
        finally:
            del kept

    with audit() as report, pytest.raises(KeyError, match="mine"):
        raising()
    assert len(report.hard) == 1


def test_launches_and_copies_are_counted(x: torch.Tensor) -> None:
    before = dry_run.counts()
    x + 1
    x.clone()
    after = dry_run.counts()
    assert after["kernel launches"] - before["kernel launches"] == 1
    assert after["copies on the device"] - before["copies on the device"] == 1


def test_the_device_says_what_it_is() -> None:
    assert "syncfree dry run" in torch.cuda.get_device_name()
    assert torch.cuda.get_device_capability() == (9, 0)
    assert torch.cuda.mem_get_info()[1] == 80 << 30


def test_properties_are_read_where_this_major_release_of_cuda_has_them() -> None:
    properties = torch.cuda.get_device_properties()
    expected = {
        "L2_cache_size": 50 << 20,
        "is_integrated": 0,
        "max_threads_per_multi_processor": 2048,
        "multi_processor_count": 132,
        "pci_bus_id": 1,
        "regs_per_multiprocessor": 65536,
        "shared_memory_per_block": 48 << 10,
        "shared_memory_per_block_optin": 227 << 10,
        "shared_memory_per_multiprocessor": 228 << 10,
        "total_memory": 80 << 30,
        "warp_size": 32,
    }
    assert {name: getattr(properties, name) for name in expected} == expected


@pytest.mark.parametrize("backend", ["simulated", "cuda"])
def test_another_back_end_is_refused_in_this_process(backend: Any) -> None:
    with pytest.raises(AuditError, match=f"the dry-run device is installed in this process, so the {backend} back end cannot"):
        audit(backend=backend).__enter__()


def test_the_simulated_device_is_not_installed_beside_it() -> None:
    with pytest.raises(AuditError):
        install()


def test_a_library_of_nvidias_that_is_loaded_by_its_path_is_the_stub(tmp_path: Path) -> None:
    name = f"libcudart.so.{(torch.version.cuda or '').partition('.')[0]}"
    (tmp_path / name).write_text("the real one, which must not be loaded")
    number = ctypes.c_int()
    assert ctypes.CDLL(str(tmp_path / name)).cudaGetDeviceCount(ctypes.byref(number)) == 0
    assert number.value == torch.cuda.device_count()
