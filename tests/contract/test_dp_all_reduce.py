"""The contract of `dp_all_reduce`: our implementations against the reference, and bound against real vLLM releases.

With ``--sweep``, bound against every release that was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.dp_all_reduce.model_runner_v1 import BINDING
from syncfree.audit import Report

from .support.gloo_ranks import GlooRanks, gloo_ranks
from .support.vllm_on_ranks import PLUGINS, Batch, batches, both_v1, exchange, run_ar, synchronize
from .support.vllm_releases import RELEASES, SWEPT, form_of

INT32 = st.integers(-(2**31), 2**31 - 1)
TOKENS = st.integers(0, 40)


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest) -> Iterator[GlooRanks]:
    with gloo_ranks(request.param) as pool:
        yield pool


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        metafunc.parametrize("release", (*RELEASES, *(SWEPT if metafunc.config.getoption("--sweep") else ())))


def one_each(ranks: GlooRanks, values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=ranks.size, max_size=ranks.size)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_rank_gets_the_integers_of_all_ranks(ranks: GlooRanks, plugin: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 15).flatmap(lambda n: one_each(ranks, st.lists(INT32, min_size=n, max_size=n))))
    def equal(local: list[list[int]]) -> None:
        columns = [list(row) for row in zip(*local, strict=True)]
        assert ranks.call(exchange, plugin, local) == [[columns, columns]] * ranks.size

    equal()


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("gloo", [True, False], ids=["asynchronous scheduling", "synchronous scheduling"])
def test_the_exchange_of_v1_is_equal_to_upstream(ranks: GlooRanks, release: str, gloo: bool, plugin: str) -> None:
    @settings(max_examples=5, deadline=None)
    @given(one_each(ranks, st.tuples(st.booleans(), INT32, INT32, st.integers(0, 2))))
    def equal(steps: list[tuple[bool, int, int, int]]) -> None:
        for theirs, ours in ranks.call(run_ar, plugin, release, gloo, steps):
            assert ours == theirs

    equal()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_conclusion_of_v1_is_equal_to_upstream(ranks: GlooRanks, release: str, plugin: str) -> None:
    step = st.builds(
        lambda ubatch, tokens, padding, mode: (ubatch, tokens, tokens + padding, mode),
        *(st.sampled_from([True, True, False]), TOKENS, st.integers(0, 8), st.sampled_from([0, 1, 2, 2])),
    )

    @settings(max_examples=15, deadline=None)
    @given(one_each(ranks, step), st.booleans(), st.integers(2, 3))
    def equal(steps: list[tuple[bool, int, int, int]], gloo: bool, parts: int) -> None:
        for theirs, ours in ranks.call(synchronize, plugin, release, gloo, steps, parts):
            assert ours == theirs

    equal()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_batch_of_v2_is_equal_to_upstream(ranks: GlooRanks, release: str, plugin: str) -> None:
    decode = st.one_of(st.none(), st.integers(0, 2))
    batch = st.builds(
        Batch,
        num_tokens=st.one_of(st.just(0), TOKENS),
        mode=st.sampled_from([0, 1, 2, 2, 2]),
        num_reqs=st.integers(0, 9),
        uniform_token_count=decode,
        max_query_len=decode,
        num_active_loras=st.integers(0, 3),
        allow_ubatching=st.sampled_from([True, True, False]),
        uniform_decode=st.booleans(),
        allow_skip_drafts=st.booleans(),
    )
    # Ranks that agree are as important as ranks that do not, and rarer when each is drawn by itself.
    steps = st.one_of(one_each(ranks, batch), batch.map(lambda one: [one] * ranks.size))

    @settings(max_examples=40, deadline=None)
    @given(steps, st.booleans())
    def equal(steps: list[Batch], managed: bool) -> None:
        for theirs, ours in ranks.call(batches, plugin, release, steps, managed):
            assert ours == theirs

    equal()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The configuration of one rank whose collective does nothing: NCCL does not make the host wait."""
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, group: None)
    return SimpleNamespace(
        data_parallel_rank=1, data_parallel_size=2, disable_nccl_for_dp_synchronization=False, num_ubatches=2
    )


@pytest.mark.sync_budget(0, poison=True)
def test_the_exchange_of_v1_never_makes_the_host_wait(release: str, alone: SimpleNamespace) -> None:
    _, bound = both_v1(release, "cuda", None, "sync_free")
    assert bound["_run_ar"](True, 5, 8, 2, alone).is_cuda


def test_upstream_waits_once_per_integer_where_the_verdict_is_stalls(
    release: str, alone: SimpleNamespace, sync_audit: Report
) -> None:
    upstream, _ = both_v1(release, "cuda", None, "sync_free")
    upstream["_run_ar"](True, 5, 8, 2, alone)
    assert sync_audit.count == (4 if form_of(BINDING, release).status == "stalls" else 0)


@pytest.mark.sync_budget(1)
def test_the_conclusion_of_v1_reads_the_device_once(release: str, alone: SimpleNamespace) -> None:
    _, bound = both_v1(release, "cuda", None, "sync_free")
    assert bound["_synchronize_dp_ranks"](5, 8, True, 2, alone)[0] is False


def test_upstream_reads_the_device_number_by_number(release: str, alone: SimpleNamespace, sync_audit: Report) -> None:
    upstream, _ = both_v1(release, "cuda", None, "sync_free")
    upstream["_synchronize_dp_ranks"](5, 8, True, 2, alone)
    assert sync_audit.count == (7 if form_of(BINDING, release).status == "stalls" else 3)
