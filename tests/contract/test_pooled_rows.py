"""`pooled_rows`: against the reference, and bound against the real function of vLLM releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.pooled_rows import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.pooled_rows import HOOK, inputs
from syncfree.plugins.sync_free.pooled_rows import pooled_rows

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[Any, Any]:
    """Upstream's function of one release, and the adapter's replacement."""
    name = "_copy_pooler_output_to_cpu"
    upstream = define(release, "v1.worker.gpu_model_runner", [name], {"torch": torch})[name]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(pooled_rows, upstream)


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(pooled_rows, call), outcome(HOOK.reference, call))


def test_bound_it_gives_what_upstream_gives_or_leaves_the_batch_to_it(release: str) -> None:
    upstream, bound = both(release)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.booleans(), min_size=1, max_size=6), st.booleans())
    def equal(finished: list[bool], is_list: bool) -> None:
        pooled: Any = torch.arange(3.0 * len(finished)).view(-1, 3)
        pooled = list(pooled) if is_list else pooled
        found = bound(pooled, finished)
        if is_list or all(finished) or not any(finished):
            assert found is NotImplemented
        else:
            assert same(found, upstream(pooled, finished))

    equal()


def test_a_mask_of_another_length_is_left_to_upstreams_error(release: str) -> None:
    upstream, bound = both(release)
    assert bound(torch.zeros(3, 2), [True, False]) is NotImplemented
    with pytest.raises(ValueError, match="does not match"):
        upstream(torch.zeros(3, 2), [True, False])


FINISHED = [True, False, True]


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    _, bound = both(release)
    with allow("made outside of the call"):
        pooled = torch.arange(6.0).view(3, 2).to("cuda")
    found = bound(pooled, FINISHED)
    with allow("vLLM waits for an event before it reads the rows"):
        torch.cuda.synchronize()
        assert [row if row is None else row.tolist() for row in found] == [[0.0, 1.0], None, [4.0, 5.0]]


def test_upstream_waits_for_its_upload(release: str, sync_audit: Report) -> None:
    upstream, _ = both(release)
    with allow("made outside of the call"):
        pooled = torch.arange(6.0).view(3, 2).to("cuda")
    upstream(pooled, FINISHED)
    assert sync_audit.count == 1
