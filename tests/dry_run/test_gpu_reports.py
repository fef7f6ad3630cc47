"""The back end for a GPU, on the dry-run device: what torch reports there does not change the program."""

from __future__ import annotations

from . import programs

PRELUDE = """
from syncfree.audit import audit, dry_run
dry_run.install(values=True)
dry_run.is_installed = lambda: False  # or the back end would be that of the dry run
import torch
"""


def output(program: str) -> str:
    return programs.output(PRELUDE + program, memory_gib=2)


def test_an_exception_that_frees_memory_of_the_device_reaches_the_program() -> None:
    program = """
def fail():
    kept = torch.ones(3, device="cuda")
    raise KeyError("mine")
with audit(backend="cuda") as report:
    try:
        fail()
    except KeyError as error:
        print(error)
    torch.ones(1, device="cuda").item()
    torch.cuda.synchronize()
    event = torch.cuda.Event()
    event.record()
    event.synchronize()
print(report.backend, report.count)
"""
    assert output(program).split("\n") == ["'mine'", "cuda 3"]


def test_gradient_checkpointing_runs() -> None:
    program = """
from torch.utils.checkpoint import checkpoint
with audit(backend="cuda") as report, dry_run.Values():
    x = torch.ones(8, device="cuda", requires_grad=True)
    checkpoint(lambda value: (value * 2).relu(), x, use_reentrant=False).sum().backward()
print(report.count, x.grad.tolist())
"""
    assert output(program) == f"0 {[2.0] * 8}"


def test_who_listens_to_the_other_reports_still_hears_them() -> None:
    program = """
from torch.cuda import _gpu_trace
allocated = []
_gpu_trace.register_callback_for_memory_allocation(allocated.append)
with audit(backend="cuda") as report:
    x = torch.ones(3, device="cuda")
print(x.data_ptr() in allocated)
"""
    assert output(program) == "True"
