"""The contract of `dp_all_reduce`: our implementation against the reference, and bound against real vLLM releases."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.dp_all_reduce import BINDING
from syncfree.audit import Report

from .gloo_ranks import GlooRanks, gloo_ranks
from .vllm_on_ranks import both_run_ar, exchange, run_ar
from .vllm_releases import RELEASES, form_of

SIZE = 2
INT32 = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def ranks() -> Iterator[GlooRanks]:
    with gloo_ranks(SIZE) as pool:
        yield pool


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.lists(INT32, min_size=n, max_size=n), min_size=SIZE, max_size=SIZE)))
def test_every_rank_gets_the_integers_of_all_ranks(ranks: GlooRanks, local: list[list[int]]) -> None:
    columns = [list(row) for row in zip(*local, strict=True)]
    assert ranks.call(exchange, local) == [[columns, columns]] * SIZE


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("gloo", [True, False], ids=["asynchronous scheduling", "synchronous scheduling"])
def test_bound_in_vllm_it_is_equal_to_upstream(ranks: GlooRanks, release: str, gloo: bool) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.booleans(), INT32, INT32, st.integers(0, 2)), min_size=SIZE, max_size=SIZE))
    def equal(steps: list[tuple[bool, int, int, int]]) -> None:
        for theirs, ours in ranks.call(run_ar, release, gloo, steps):
            assert ours == theirs

    equal()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The configuration of one rank whose collective does nothing: NCCL does not make the host wait."""
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, group: None)
    return SimpleNamespace(data_parallel_rank=1, data_parallel_size=2, disable_nccl_for_dp_synchronization=False)


@pytest.mark.sync_budget(0, poison=True)
@pytest.mark.parametrize("release", RELEASES)
def test_bound_in_vllm_it_never_makes_the_host_wait(release: str, alone: SimpleNamespace) -> None:
    _, bound = both_run_ar(release, torch.device("cuda"), None)
    assert bound(True, 5, 8, 2, alone).is_cuda


@pytest.mark.parametrize("release", RELEASES)
def test_upstream_waits_once_per_integer_where_the_verdict_is_needed(
    release: str, alone: SimpleNamespace, sync_audit: Report
) -> None:
    upstream, _ = both_run_ar(release, torch.device("cuda"), None)
    upstream(True, 5, 8, 2, alone)
    assert sync_audit.count == (4 if form_of(BINDING, release).status == "needed" else 0)
