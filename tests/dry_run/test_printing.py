"""A tensor that is printed: torch switches dispatch modes off for it, and reads numbers by which it chooses the format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from syncfree.audit import Kind, audit, dry_run

from .programs import output

VALUES = {
    "floats": torch.tensor([0.25, -1.5, 3.0]),
    "integers as floats": torch.tensor([1.0, 20.0]),
    "very different": torch.tensor([1e-9, 5.0]),
    "a number": torch.tensor(0.125),
    "integers": torch.tensor([[1, 2], [300, 4]]),
    "bools": torch.tensor([True, False]),
    "complex": torch.tensor([1.5 - 2j]),
    "long": torch.arange(2000.0),
}


@pytest.mark.parametrize("name", VALUES)
def test_with_values_a_tensor_of_the_device_is_printed_as_one_of_the_host(name: str) -> None:
    with dry_run.Values():
        printed = repr(VALUES[name].to("cuda"))
    assert "".join(printed.split()).replace(",device='cuda:0'", "") == "".join(repr(VALUES[name]).split())


def test_each_number_that_is_printed_is_read_with_values() -> None:
    with dry_run.Values():
        x = torch.tensor([0.25, -1.5, 3.0], device="cuda")
        with audit() as report:
            print(x)
    assert len([sync for sync in report.hard if sync.kind is Kind.ITEM]) >= x.numel()
    assert {sync.where.file for sync in report.hard} == {__file__}
    assert "aten::masked_select" in {sync.op for sync in report.hard}


def test_without_values_a_printed_tensor_is_one_copy_to_the_host(tmp_path: Path) -> None:
    program = (
        "from syncfree.audit import audit, dry_run\n"
        "dry_run.install()\n"
        "import torch\n"
        "torch.full((4096,), 7e18).to('cuda')\n"  # left in the memory that torch hands out again
        "x = torch.tensor([1.5, 2.0], device='cuda', requires_grad=True)\n"
        "with audit() as report:\n"
        "    print(x, torch.nn.Parameter(x.detach()), repr(x.sum()).startswith('tensor('), sep='\\n')\n"
        "    print(x[:0])\n"
        "print([str(sync.kind) for sync in report.hard])\n"
    )
    assert output(program, memory_gib=1, folder=tmp_path).splitlines() == [
        "tensor([1.5000, 2.0000], device='cuda:0', requires_grad=True)",
        "Parameter containing:",
        "tensor([1.5000, 2.0000], device='cuda:0', requires_grad=True)",
        "True",
        "tensor([], device='cuda:0', grad_fn=<SliceBackward0>)",
        "['d2h', 'd2h', 'd2h']",
    ]
