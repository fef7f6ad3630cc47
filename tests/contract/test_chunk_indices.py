"""`chunk_indices`: against the reference, and bound against the real function and the real metadata of vLLM releases."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from syncfree.audit import Report, allow
from syncfree.hooks.chunk_indices import HOOK, inputs
from syncfree.plugins.sync_free.chunk_indices import chunk_indices

from .support.gdn_steps import Engine, Rows, engine, rows_with_prefills
from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, SWEPT

MIXED = Rows([1, 1, 9, 130])
DRAFTED = Rows([3, 1, 130, 70], [2, -1, -1, -1])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "vllm" in metafunc.fixturenames:
        releases = (*RELEASES, *(SWEPT if metafunc.config.getoption("--sweep") else ()))
        metafunc.parametrize("vllm", releases, indirect=True)


@pytest.fixture
def vllm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return engine(request.param, monkeypatch)


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(chunk_indices, call), outcome(HOOK.reference, call))


def test_bound_it_lists_what_upstream_reads_back(vllm: Engine) -> None:
    @settings(max_examples=50, deadline=None)
    @given(rows_with_prefills(), st.sampled_from([8, 16, 32, 64]))
    def equal(rows: Rows, chunk_size: int) -> None:
        offsets = vllm.step(rows).non_spec_query_start_loc
        assert same(vllm.bound(offsets, chunk_size), vllm.upstream(offsets, chunk_size))

    equal()


def test_rows_and_tokens_alone_do_not_tell_the_chunks(vllm: Engine) -> None:
    """The host knows nothing else of the arguments, which is why the metadata is asked: both are two rows with 130 tokens."""
    one, other = (vllm.upstream(vllm.step(Rows(lengths)).non_spec_query_start_loc, 64) for lengths in ([64, 66], [2, 128]))
    assert one.tolist() == other.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert len(vllm.upstream(vllm.step(Rows([65, 65])).non_spec_query_start_loc, 64)) == 4


@pytest.mark.parametrize("rows", [MIXED, DRAFTED], ids=["mixed", "drafted"])
def test_all_layers_of_a_step_get_the_chunks_that_were_listed_once(vllm: Engine, rows: Rows) -> None:
    metadata = vllm.step(rows)
    of_first_layer = vllm.bound(metadata.non_spec_query_start_loc, 64)
    assert vllm.bound(metadata.non_spec_query_start_loc, 64) is of_first_layer


def test_offsets_that_are_written_to_for_the_next_step_get_its_chunks(vllm: Engine) -> None:
    """vLLM's own cache knows the tensor alone, and would return those of the step before."""
    metadata = vllm.step(Rows([9, 130]))
    offsets = metadata.non_spec_query_start_loc
    assert len(vllm.bound(offsets, 64)) == 4
    following = vllm.step(Rows([70, 80]))
    following.non_spec_query_start_loc = offsets.copy_(following.non_spec_query_start_loc)
    assert vllm.bound(offsets, 64).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_only_the_offsets_of_the_metadata_themselves_are_known(vllm: Engine) -> None:
    offsets = vllm.step(MIXED).non_spec_query_start_loc
    assert vllm.bound(offsets, 64) is not NotImplemented
    for other in (offsets.clone(), offsets[:], offsets[1:], offsets.to(torch.int64)):
        assert vllm.bound(other, 64) is NotImplemented


def test_a_chunk_that_is_no_number_of_blocks_is_left_to_upstream(vllm: Engine) -> None:
    assert vllm.bound(vllm.step(MIXED).non_spec_query_start_loc, 12) is NotImplemented


def test_a_step_without_prefills_is_left_to_upstream(vllm: Engine) -> None:
    assert vllm.bound(vllm.step(Rows([1, 1])).non_spec_query_start_loc, 64) is NotImplemented


def test_metadata_of_a_subclass_is_left_to_upstream(vllm: Engine) -> None:
    metadata = vllm.step(MIXED)
    metadata.__class__ = type("OfAnotherBuilder", (vllm.metadata_class,), {})
    assert vllm.bound(metadata.non_spec_query_start_loc, 64) is NotImplemented


def test_without_metadata_by_layer_the_call_is_left_to_upstream(vllm: Engine) -> None:
    offsets = vllm.step(MIXED).non_spec_query_start_loc
    for metadata in (None, [vllm.context.attn_metadata], {"layers.0": SimpleNamespace()}):
        vllm.context.attn_metadata = metadata
        assert vllm.bound(offsets, 64) is NotImplemented


def test_without_vllms_modules_the_call_is_left_to_upstream(vllm: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may use the functions alone."""
    offsets = vllm.step(MIXED).non_spec_query_start_loc
    for module in ("vllm.v1.attention.backends.gdn_attn", "vllm.forward_context"):
        monkeypatch.delitem(sys.modules, module)
        assert vllm.bound(offsets, 64) is NotImplemented


@pytest.mark.sync_budget(0, poison=True)
@pytest.mark.parametrize("rows", [MIXED, DRAFTED], ids=["mixed", "drafted"])
def test_bound_it_never_makes_the_host_wait(vllm: Engine, rows: Rows) -> None:
    with allow("made once for the step"):
        metadata = vllm.step(rows, "cuda")
    found = vllm.bound(metadata.non_spec_query_start_loc, 64)
    with allow("the test reads the result"):
        torch.cuda.synchronize()
        assert found.cpu().tolist() == HOOK.reference(metadata.non_spec_query_start_loc.cpu(), 64, torch.empty(0)).tolist()


@pytest.mark.parametrize("rows", [MIXED, DRAFTED], ids=["mixed", "drafted"])
def test_upstream_waits_once_per_step_and_up_to_0_27_for_its_upload_too(
    vllm: Engine, rows: Rows, request: pytest.FixtureRequest, sync_audit: Report
) -> None:
    with allow("made once for the step"):
        metadata = vllm.step(rows, "cuda")
    for _ in range(2):  # layers
        vllm.upstream(metadata.non_spec_query_start_loc, 64)
    release = Version(request.node.callspec.params["vllm"])
    assert sync_audit.count == (1 if release >= Version("0.28") else 2)


def test_chunk_offsets_wait_once_per_step_up_to_0_27(
    vllm: Engine, request: pytest.FixtureRequest, sync_audit: Report
) -> None:
    """Nothing is bound there."""
    with allow("made once for the step"):
        metadata = vllm.step(MIXED, "cuda")
    for _ in range(2):  # layers
        vllm.chunk_offsets(metadata.non_spec_query_start_loc, 64)
    assert sync_audit.count == (0 if Version(request.node.callspec.params["vllm"]) >= Version("0.28") else 1)
