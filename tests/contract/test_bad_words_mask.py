"""`bad_words_mask`: against the reference, and bound against the real functions of vLLM releases."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.bad_words_mask import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.bad_words_mask import HOOK, inputs
from syncfree.plugins.sync_free.bad_words_mask import bad_words_mask

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of

TOKEN = st.integers(0, 4)
WORDS = st.lists(st.lists(TOKEN, min_size=1, max_size=3), max_size=5)


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Upstream's function and the adapter's replacement, for sampled tokens and for drafts."""
    names = ["_apply_bad_words_single_batch", "apply_bad_words", "apply_bad_words_with_drafts", "_SMALLEST_LOGIT"]
    vllm = define(release, "v1.sample.ops.bad_words", names, {})
    sampled, drafts = form_of(BINDING, release).compose or ()
    return (
        (vllm["apply_bad_words"], sampled(bad_words_mask, vllm["apply_bad_words"])),
        (vllm["apply_bad_words_with_drafts"], drafts(bad_words_mask, vllm["apply_bad_words_with_drafts"])),
    )


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(bad_words_mask, call), outcome(HOOK.reference, call))


def test_sampled_tokens_are_masked_as_upstream_does(release: str) -> None:
    (upstream, bound), _ = both(release)

    @settings(max_examples=100, deadline=None)
    @given(st.dictionaries(st.integers(0, 3), WORDS), st.lists(st.lists(TOKEN, max_size=4), min_size=4, max_size=4))
    def equal(words: dict[int, list[list[int]]], past: list[list[int]]) -> None:
        theirs, ours = torch.zeros(4, 5), torch.zeros(4, 5)
        assert bound(ours, words, past) is upstream(theirs, words, past) is None
        assert torch.equal(ours, theirs)

    equal()


def test_drafts_are_masked_as_upstream_does(release: str) -> None:
    _, (upstream, bound) = both(release)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.dictionaries(st.integers(0, 3), WORDS), st.data())
    def equal(drafts: list[int], words: dict[int, list[list[int]]], data: st.DataObject) -> None:
        rows = sum(drafts)
        past = data.draw(st.lists(st.lists(TOKEN, max_size=4), min_size=rows, max_size=rows))
        words = {request: of_one for request, of_one in words.items() if request < len(drafts)}
        theirs, ours = torch.zeros(rows, 5), torch.zeros(rows, 5)
        assert bound(ours, words, past, drafts) is upstream(theirs, words, past, drafts) is None
        assert torch.equal(ours, theirs)

    equal()


def test_a_token_outside_of_the_vocabulary_is_declined_before_anything_is_written() -> None:
    logits = torch.zeros(2, 5)
    assert bad_words_mask(logits, {0: [[1]], 1: [[5]]}, [[], []]) is NotImplemented
    assert not logits.any()


CALL = ({0: [[3], [1, 2]], 1: [[9, 4], [4]]}, [[0, 1], [7]])


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    (_, bound), _ = both(release)
    with allow("made outside of the call"):
        logits = torch.zeros(2, 10, device="cuda")
    bound(logits, *CALL)
    with allow("the result is looked at"):
        assert torch.isinf(logits).nonzero().tolist() == [[0, 2], [0, 3], [1, 4]]


def test_upstream_waits_for_every_match_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    (upstream, _), _ = both(release)
    logits = torch.zeros(2, 10, device="cuda")
    upstream(logits, *CALL)
    assert sync_audit.count == (3 if form_of(BINDING, release).status == "stalls" else 0)
