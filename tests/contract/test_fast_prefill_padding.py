"""`fast_prefill_padding`: against the reference, and bound against the real method of vLLM releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.fast_prefill_padding import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.fast_prefill_padding import HOOK, inputs
from syncfree.plugins.sync_free.fast_prefill_padding import fast_prefill_padding

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of

METHOD = "_prepare_kv_sharing_fast_prefill"


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[Any, Any]:
    mode = SimpleNamespace(FULL="full")
    vllm = define(
        release, "v1.worker.gpu_model_runner", [f"GPUModelRunner.{METHOD}"], {"torch": torch, "CUDAGraphMode": mode}
    )
    (compose,) = form_of(BINDING, release).compose or ()
    return vllm[METHOD], compose(fast_prefill_padding, vllm[METHOD])


class Runner:
    """The state of a model runner that the method uses; graphs are captured for multiples of four tokens."""

    def __init__(self, size: int, device: str = "cpu") -> None:
        self.kv_sharing_fast_prefill_logits_indices = torch.full((size,), 10**6, dtype=torch.int32, device=device)
        self.cudagraph_dispatcher = self

    def dispatch(self, tokens: int, invalid_modes: set[str]) -> tuple[str, SimpleNamespace]:
        assert invalid_modes == {"full"}
        return "piecewise", SimpleNamespace(num_tokens=-(-tokens // 4) * 4)


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(fast_prefill_padding, call), outcome(HOOK.reference, call))


def test_bound_it_is_equal_to_upstream(release: str) -> None:
    upstream, bound = both(release)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, 99), min_size=1, max_size=12))
    def equal(indices: list[int]) -> None:
        theirs, ours, given_indices = Runner(16), Runner(16), torch.tensor(indices, dtype=torch.int32)
        assert same(bound(ours, given_indices), upstream(theirs, given_indices))
        assert same(ours.kv_sharing_fast_prefill_logits_indices, theirs.kv_sharing_fast_prefill_logits_indices)

    equal()


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    _, bound = both(release)
    with allow("made outside of the call"):
        runner, indices = Runner(8, "cuda"), torch.tensor([3, 5], device="cuda")
    padded = bound(runner, indices)
    with allow("the result is looked at"):
        assert padded.tolist() == [3, 5, 5, 5]


def test_upstream_waits_in_every_step_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    upstream, _ = both(release)
    with allow("made outside of the call"):
        runner, indices = Runner(8, "cuda"), torch.tensor([3, 5], device="cuda")
    upstream(runner, indices)
    assert sync_audit.count == (1 if form_of(BINDING, release).status == "stalls" else 0)
