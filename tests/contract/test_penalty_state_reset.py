"""`penalty_state_reset`: against the reference, and bound against the real `bincount` of vLLM releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.vllm.penalty_state_reset import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.penalty_state_reset import HOOK, inputs
from syncfree.plugins.sync_free.penalty_state_reset import penalty_state_reset

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of

VOCABULARY = 40


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Kernel:
    """Stands in for the Triton kernel: counts output tokens into rows and keeps how it was launched."""

    def __init__(self) -> None:
        self.launches: list[tuple[tuple[int, int], int]] = []

    def __getitem__(self, grid: tuple[int, int]) -> Any:
        def launch(rows: torch.Tensor, tokens: torch.Tensor, *rest: Any, BLOCK_SIZE: int) -> None:  # noqa: N803
            _, prompt_length, prefill_length, mask, mask_stride, counts, counts_stride = rest
            assert (mask_stride, counts_stride) == (mask.stride(0), counts.stride(0))
            self.launches.append((grid, BLOCK_SIZE))
            mask[rows.long(), 0] = prompt_length[rows.long()].int()
            counts[rows.long()] += tokens[rows.long(), :1] + prefill_length[rows.long()].unsqueeze(1).int()

        return launch


def both(release: str) -> tuple[Any, Any, Kernel]:
    kernel = Kernel()
    namespace: dict[str, Any] = {"torch": torch, "triton": SimpleNamespace(cdiv=lambda a, b: -(-a // b))}
    namespace["_bincount_kernel"] = kernel
    upstream = define(release, "v1.worker.gpu.sample.penalties", ["bincount"], namespace)["bincount"]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(penalty_state_reset, upstream), kernel


def arguments(device: str) -> list[Any]:
    """Requests in rows 2 and 0 of four, whose earlier tenants left counts behind."""
    return [
        torch.tensor([2, 0], dtype=torch.int32, device=device),
        torch.arange(4 * 8, dtype=torch.int32).view(4, 8).to(device),
        torch.tensor([3, 4, 5, 6], device=device),
        torch.tensor([4, 5, 6, 7], device=device),
        torch.full((4, 2), 9, dtype=torch.int32, device=device),
        torch.full((4, VOCABULARY), 5, dtype=torch.int32, device=device),
        1500,
    ]


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(penalty_state_reset, call), outcome(HOOK.reference, call))


def test_bound_it_is_equal_to_upstream_and_launches_the_kernel_alike(release: str) -> None:
    upstream, bound, kernel = both(release)
    theirs, ours = arguments("cpu"), arguments("cpu")
    assert bound(*ours) is upstream(*theirs) is None
    assert same(ours, theirs)
    assert kernel.launches == [((2, 2), 1024)] * 2


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    _, bound, kernel = both(release)
    with allow("made outside of the call"):
        ours = arguments("cuda")
    bound(*ours)
    assert kernel.launches == [((2, 2), 1024)]


def test_upstream_waits_twice_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    upstream, _, _ = both(release)
    with allow("made outside of the call"):
        theirs = arguments("cuda")
    upstream(*theirs)
    assert sync_audit.count == (2 if form_of(BINDING, release).status == "stalls" else 0)
