"""`pooling_token_types`: against the reference, and bound against the real method of vLLM releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.pooling_token_types import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.pooling_token_types import HOOK, inputs
from syncfree.plugins.sync_free.pooling_token_types import pooling_token_types

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of

METHOD = "_init_model_kwargs"


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[Any, Any]:
    namespace = {"torch": torch, "Any": Any, "PIN_MEMORY": False}
    vllm = define(release, "v1.worker.gpu_model_runner", [f"GPUModelRunner.{METHOD}"], namespace)
    (compose,) = form_of(BINDING, release).compose or ()
    return vllm[METHOD], compose(pooling_token_types, vllm[METHOD])


def runner(requests: list[tuple[int, int | None]], device: str = "cpu", pooling: bool = True) -> SimpleNamespace:
    """The state of a model runner that the method uses, for requests of (length, start of the second text)."""
    parameters = [
        SimpleNamespace(extra_kwargs=None if start is None else {"compressed_token_type_ids": start})
        for _, start in requests
    ]
    lengths = torch.tensor([length for length, _ in requests] + [99, 99], dtype=torch.int32)
    return SimpleNamespace(
        is_pooling_model=pooling,
        lookback_token_ids=None,
        input_batch=SimpleNamespace(num_reqs=len(requests), get_pooling_params=lambda: parameters),
        seq_lens=lengths.to(device),
        optimistic_seq_lens_cpu=lengths,
        pin_memory=device == "cuda",
        device=torch.device(device),
    )


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(pooling_token_types, call), outcome(HOOK.reference, call))


REQUESTS = st.lists(st.tuples(st.integers(1, 12), st.none() | st.integers(0, 13)), min_size=1, max_size=6)


def test_bound_it_is_equal_to_upstream(release: str) -> None:
    upstream, bound = both(release)

    @settings(max_examples=200, deadline=None)
    @given(REQUESTS, st.booleans())
    def equal(requests: list[tuple[int, int | None]], pooling: bool) -> None:
        assert same(bound(runner(requests, pooling=pooling)), upstream(runner(requests, pooling=pooling)))

    equal()


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    """A batch of which one request has no second text: upstream raises for it up to 0.21, on a GPU only."""
    _, bound = both(release)
    with allow("made outside of the call"):
        on_gpu = runner([(4, 2), (3, None), (2, 1)], "cuda")
    types = bound(on_gpu)["token_type_ids"]
    with allow("the result is looked at"):
        assert types.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 1]


def test_upstream_waits_for_every_request_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    upstream, _ = both(release)
    with allow("made outside of the call"):
        on_gpu = runner([(4, 2), (2, 1)], "cuda")
    upstream.__globals__["PIN_MEMORY"] = True
    upstream(on_gpu)
    assert sync_audit.count == (3 if form_of(BINDING, release).status == "stalls" else 0)
