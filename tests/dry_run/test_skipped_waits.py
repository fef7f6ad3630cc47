"""What PyTorch waits for without a dispatch mode, and leaves out under that of the audit, is counted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
import torch

from syncfree.audit import audit, dry_run

WAITS = ("stream synchronizations", "event synchronizations", "device synchronizations", "blocking copies")
Inputs = tuple[torch.Tensor, ...]


def mask(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(x.shape, dtype=torch.bool, device="cuda")


BACKWARD: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "prod": lambda x: x.prod(),
    "prod of a dimension": lambda x: x.prod(0).sum(),
    "prod of one element": lambda x: x[:1].prod(),
    "prod of a dimension of one element": lambda x: x[:1].prod(0, keepdim=True).sum(),
    "prod of a strided tensor": lambda x: x.view(2, 4).t().prod(),
    "prod of a number": lambda x: x[0].prod(),
    "two of them": lambda x: x.prod() + x.prod(),
    "cumprod": lambda x: x.cumprod(0).sum(),
    "cumprod of one element": lambda x: x[:1].cumprod(0).sum(),
    "vander": lambda x: torch.linalg.vander(x).sum(),
    "masked_fill with a tensor": lambda x: x.masked_fill(mask(x), x.detach()[0].requires_grad_()).sum(),
    "masked_fill of a constant with a tensor": lambda x: x.detach().masked_fill(mask(x), x[0]).sum(),
    "masked_fill with a tensor that is constant": lambda x: x.masked_fill(mask(x), x.detach()[0]).sum(),
    "masked_fill with a number": lambda x: x.masked_fill(mask(x), 0.0).sum(),
    "sum": lambda x: x.sum(),
}


@pytest.mark.parametrize("with_values", [False, True])
@pytest.mark.parametrize("name", BACKWARD)
def test_backward_waits_as_often_as_without_an_audit(name: str, with_values: bool) -> None:
    x = torch.ones(8, device="cuda", requires_grad=True)
    result = BACKWARD[name](x)
    before = dry_run.counts()
    result.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    after = dry_run.counts()
    with dry_run.Values() if with_values else contextlib.nullcontext(), audit() as report:
        result.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        result.backward()  # type: ignore[no-untyped-call]
    assert report.count == 2 * sum(after[event] - before[event] for event in WAITS)


def test_the_table_has_cases_that_wait_and_cases_that_do_not() -> None:
    x = torch.ones(8, device="cuda", requires_grad=True)
    counts = {}
    for name, run in BACKWARD.items():
        result = run(x)
        with audit() as report:
            result.backward()  # type: ignore[no-untyped-call]
        counts[name] = report.count
    assert {name: count for name, count in counts.items() if count > 1} == {"two of them": 2}
    assert [name for name, count in counts.items() if not count] == [
        "prod of a number",
        "cumprod of one element",
        "masked_fill with a tensor that is constant",
        "masked_fill with a number",
        "sum",
    ]
