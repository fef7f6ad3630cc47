"""`sampler_logprob_gather` bound as the vLLM adapter binds it, against the real functions of vLLM releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.vllm.sampler_logprob_gather import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.sampler_logprob_gather import inputs
from syncfree.plugins.sync_free.sampler_logprob_gather import sampler_logprob_gather

from .support.vllm_releases import RELEASES, form_of, sampler

SAMPLER = SimpleNamespace(pin_memory=False)
METHOD = "gather_specific_token_logprobs"


@pytest.fixture(scope="module", params=RELEASES)
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Upstream's method of one release, and the adapter's replacement for that release."""
    upstream = sampler(request.param, METHOD)[METHOD]
    (compose,) = form_of(BINDING, request.param).compose or ()
    return upstream, compose(sampler_logprob_gather, upstream)


def test_equal_to_upstream_bit_for_bit(both: tuple[Any, Any]) -> None:
    upstream, bound = both

    @settings(max_examples=150, deadline=None)
    @given(inputs())
    def equal(call: dict[str, Any]) -> None:
        arguments = (SAMPLER, call["scores"].float(), call["token_ids"], call["sampled"])
        expected, found = upstream(*arguments), bound(*arguments)
        assert type(found) is type(expected)
        if expected is not None:
            for theirs, ours in zip(expected[:3], found[:3], strict=True):
                assert ours.dtype == theirs.dtype
                assert torch.equal(ours, theirs)
            assert found[3:] == expected[3:]

    equal()


def test_no_request_gives_none_as_upstream_does(both: tuple[Any, Any]) -> None:
    scores, sampled = torch.zeros(2, 5), torch.tensor([1, 2])
    assert [call(SAMPLER, scores, {}, sampled) for call in both] == [None, None]


def test_a_token_id_outside_of_the_vocabulary_raises_what_upstream_raises(both: tuple[Any, Any]) -> None:
    scores, sampled = torch.zeros(2, 5), torch.tensor([1, 2])
    messages = []
    for call in both:
        with pytest.raises(RuntimeError) as error:
            call(SAMPLER, scores, {0: [5]}, sampled)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_a_row_outside_of_the_batch_is_left_to_upstream(both: tuple[Any, Any]) -> None:
    upstream, bound = both
    arguments = (SAMPLER, torch.zeros(2, 5), {2: [1]}, torch.tensor([1, 2]))
    assert bound(*arguments) is NotImplemented
    with pytest.raises(IndexError):
        upstream(*arguments)


def on_cuda() -> tuple[SimpleNamespace, torch.Tensor, dict[int, list[int]], torch.Tensor]:
    scores = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)).to("cuda")
    sampled = torch.tensor([1, 2, 3, 4]).to("cuda")
    return SimpleNamespace(pin_memory=True), scores, {0: [1, 2], 1: [7], 3: []}, sampled


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(both: tuple[Any, Any]) -> None:
    """On poisoned memory: what is read before a copy is done would differ from upstream's result."""
    with allow("the arguments are uploaded, and upstream is run for comparison"):
        arguments = on_cuda()
        expected = both[0](*arguments)
    found = both[1](*arguments)
    with allow("the results are compared"):
        assert all(torch.equal(theirs, ours) for theirs, ours in zip(expected[:3], found[:3], strict=True))


@pytest.mark.parametrize("release", RELEASES)
def test_upstream_waits_once_per_request_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    upstream = sampler(release, METHOD)[METHOD]
    with allow("the arguments are uploaded"):
        arguments = on_cuda()
    upstream(*arguments)
    # An empty list is uploaded without waiting.
    assert sync_audit.count == (2 if form_of(BINDING, release).status == "stalls" else 0)
