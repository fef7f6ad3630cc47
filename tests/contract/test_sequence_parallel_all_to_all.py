"""`sequence_parallel_all_to_all`: ours against the reference and the exchanges of real SGLang releases."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.sglang.sequence_parallel_all_to_all import usp
from syncfree.hooks.sequence_parallel_all_to_all import HOOK
from tests.contract.support.gloo_ranks import GlooRanks
from tests.contract.support.upstream_source import functions
from tests.contract.support.usp_on_ranks import (
    EXCHANGES,
    Case,
    compiled_agrees,
    exchanges_agree,
    form_of,
    implementation_and_reference,
    refusals,
)
from tests.environments import unpacked

RELEASES = ("0.5.9", "0.5.11", "0.5.12.post1", "0.5.18", "0.5.23")
"""One of each form that the function took, and both of the form that stalls."""
FEW = settings(max_examples=15, deadline=None)


def usp_source(release: str) -> Path:
    return unpacked("sglang", release) / "sglang/multimodal_gen/runtime/layers/usp.py"


@given(arguments=HOOK.inputs())
@settings(FEW, max_examples=30)
def test_the_implementation_moves_the_bytes_that_the_reference_moves(ranks: GlooRanks, arguments: dict[str, Any]) -> None:
    for answers in ranks.call(implementation_and_reference, arguments["tensors"]):
        assert all(answers)


@pytest.mark.parametrize("release", RELEASES)
@given(
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5)),
    head_dim=st.sampled_from([1, 2]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    contiguous=st.booleans(),
    seed=st.integers(0, 1000),
)
@FEW
def test_the_release_s_exchanges_give_the_same_bytes_over_ours(
    ranks: GlooRanks,
    release: str,
    shape: tuple[int, int, int, int],
    head_dim: int,
    dtype: torch.dtype,
    contiguous: bool,
    seed: int,
) -> None:
    batch, sequence, heads, width = shape
    case = Case((batch, sequence * ranks.size, heads * ranks.size, width), head_dim, dtype, contiguous, seed)
    for answers in ranks.call(exchanges_agree, usp_source(release), release, case):
        assert answers == {"_usp_input_all_to_all": True, "_usp_output_all_to_all": True}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("head_dim", [1, 2])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_heads_or_a_sequence_that_upstream_refuses_are_refused_alike(
    ranks: GlooRanks, release: str, exchange: str, head_dim: int
) -> None:
    for upstream, ours in ranks.call(refusals, usp_source(release), release, exchange, (1, 3, 3, 2), head_dim):
        assert upstream == ours
        assert upstream[0] == "AssertionError"
        assert "(3) must be divisible by world_size" in upstream[1]


@pytest.mark.parametrize("release", ["0.5.11", "0.5.23"])
def test_torch_compile_traces_the_exchange_without_a_graph_break(ranks: GlooRanks, release: str) -> None:
    if ranks.size == 2:
        assert ranks.call(compiled_agrees, usp_source(release), release) == [True, True]


def replacement(release: str, exchange: Any, group: Any = None, **module: Any) -> Any:
    """The adapter's replacement over `exchange`, in a module with this group and these globals."""
    group = group or SimpleNamespace(ulysses_group=object(), ulysses_shm_handle=None)
    namespace = {"get_sp_group": lambda: group, "torch": torch, **module}
    upstream = functions(usp_source(release), ["_usp_all_to_all_single"], namespace)["_usp_all_to_all_single"]
    return form_of(release).compose[0](exchange, upstream)


def never(tensors: Any, group: Any) -> Any:
    raise AssertionError("the exchange was called")


@pytest.mark.parametrize("release", RELEASES)
def test_a_declined_call_is_passed_on_as_declined(release: str) -> None:
    call = replacement(release, lambda tensors, group: NotImplemented)
    assert call(torch.zeros(4)) is NotImplemented


@pytest.mark.parametrize("release", RELEASES)
def test_without_a_ulysses_group_it_fails_as_upstream_does(release: str) -> None:
    group = SimpleNamespace(ulysses_group=None)
    with pytest.raises(AssertionError, match="Ulysses process group is not initialized"):
        replacement(release, never, group=group)(torch.zeros(4))


@pytest.mark.parametrize(("size", "declined"), [(8, True), (9, False)])
def test_what_upstream_sends_over_shared_memory_stays_upstream_s(size: int, declined: bool) -> None:
    group = SimpleNamespace(ulysses_group=object(), ulysses_shm_handle=3)
    limit = {"SHM_ALLTOALL_MAX_BYTES": 8 * 4, "_UNCACHED_STAGING": 0}
    call = replacement("0.5.23", lambda tensors, group: tensors, group=group, **limit)
    assert (call(torch.zeros(size)) is NotImplemented) == declined


@pytest.mark.parametrize(("uncached", "ready", "declined"), [(0, True, True), (0, False, False), (1, True, False)])
def test_what_upstream_sends_over_cuda_ipc_stays_upstream_s(
    monkeypatch: pytest.MonkeyPatch, uncached: int, ready: bool, declined: bool
) -> None:
    group = SimpleNamespace(ulysses_group=object())
    name = "sglang.multimodal_gen.runtime.distributed.device_communicators.ipc_a2a_multi"
    for depth in range(1, name.count(".") + 1):
        package = ModuleType(name.rsplit(".", depth)[0])
        package.__path__ = []
        monkeypatch.setitem(sys.modules, package.__name__, package)
    transport: Any = ModuleType(name)
    transport.ipc_a2a_multi_ready = lambda candidate: candidate is group.ulysses_group and ready
    monkeypatch.setitem(sys.modules, name, transport)
    on_cuda = SimpleNamespace(is_cuda=True, shape=(4,), flatten=lambda: torch.zeros(4))
    call = replacement("0.5.23", lambda tensors, group: tensors, group=group, _UNCACHED_STAGING=uncached)
    assert (call(on_cuda) is NotImplemented) == declined


def test_every_form_of_the_binding_can_be_replaced() -> None:
    assert all(form.compose is not None for form in usp.BINDING.forms)
    assert [form.status for form in usp.BINDING.forms] == ["repeats work", "upstreamed", "upstreamed", "upstreamed"]
