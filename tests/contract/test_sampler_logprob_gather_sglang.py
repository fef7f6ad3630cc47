"""`sampler_logprob_gather` bound as the adapter of SGLang's language engine binds it, against the real functions of releases."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from syncfree.adapters.sglang_srt.sampler_logprob_gather import BINDINGS
from syncfree.adapting import Binding
from syncfree.audit import Report, allow
from syncfree.fingerprints._releases import load_releases
from syncfree.plugins.sync_free.sampler_logprob_gather import sampler_logprob_gather

from .support import sglang_releases
from .support.bound_class import form_of
from .support.outcome import same

RELEASES = ("0.5.9", "0.5.10", "0.5.15", "0.5.16", "0.5.20", "0.5.21", "0.5.23")
SCORING, DECODING = "get_token_ids_logprobs_batch_optimized", "get_token_ids_logprobs"
Both = tuple[Callable[..., Any], Callable[..., Any]]


class LogprobStage(Enum):
    """As SGLang has it in every release, in modules of different names."""

    PREFILL = auto()
    DECODE = auto()


def binding_of(name: str, release: str) -> Binding:
    """The binding of a function in the module where a release has it."""
    (found,) = (
        binding
        for binding in BINDINGS
        if binding.targets[0].endswith(f":{name}") and any(SpecifierSet(form.releases).contains(release) for form in binding.forms)
    )
    return found


def both(name: str, release: str) -> Both:
    """Upstream's function of one release with all that it calls, and the adapter's replacement."""
    binding = binding_of(name, release)
    namespace = {"LogprobStage": LogprobStage, "is_pin_memory_available": lambda device: device.type == "cuda"}
    used = [target.partition(":")[2] for target in binding.depends if name == DECODING]
    original = sglang_releases.upstream(binding, release, namespace, *used)
    return original, sglang_releases.ours(binding, release, sampler_logprob_gather, original)


def choices(name: str, release: str) -> list[tuple[bool, ...]]:
    """Return what may follow the two arguments of both functions: from 0.5.10 whether values stay on the device."""
    return [()] if name == SCORING or release == "0.5.9" else [(False,), (True,)]


@pytest.fixture(scope="module", params=[release for release in RELEASES if release < "0.5.21"])
def scoring(request: pytest.FixtureRequest) -> Both:
    return both(SCORING, request.param)


@pytest.fixture(scope="module", params=RELEASES)
def decoding(request: pytest.FixtureRequest) -> tuple[Both, list[tuple[bool, ...]]]:
    return both(DECODING, request.param), choices(DECODING, request.param)


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, list[list[int] | None]]:
    """Logprobs of a small vocabulary, and what each request names: nothing, an empty list, ids twice, ids from the end."""
    batch, vocabulary = draw(st.integers(1, 12)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    logprobs = torch.randn(batch, vocabulary, generator=generator).log_softmax(-1)
    if draw(st.booleans()):
        logprobs = logprobs.masked_fill(logprobs < logprobs.mean(), float("-inf"))
    ids = st.lists(st.integers(-vocabulary, vocabulary - 1), max_size=7)
    named = draw(st.lists(st.none() | ids, min_size=draw(st.integers(1, batch)), max_size=batch))
    return logprobs.to(draw(st.sampled_from([torch.float32, torch.bfloat16]))), named


def agree(call: Both, logprobs: torch.Tensor, named: list[list[int] | None], *choice: bool) -> None:
    upstream, bound = call
    before = logprobs.clone()
    found = bound(logprobs, named, *choice)
    if found is NotImplemented:
        assert sum(map(bool, named)) < 8  # then upstream's code does not wait, and does less
        return
    expected = upstream(logprobs, named, *choice)
    assert same(found, expected), (found, expected)
    assert all(ours is theirs for ours, theirs in zip(found[1], expected[1], strict=True) if theirs)
    assert torch.equal(logprobs, before)


def test_scoring_is_equal_to_upstream_bit_for_bit(scoring: Both) -> None:
    @settings(max_examples=60, deadline=None)
    @given(batches())
    def equal(batch: tuple[torch.Tensor, list[list[int] | None]]) -> None:
        agree(scoring, *batch)

    equal()


def test_decoding_is_equal_to_upstream_bit_for_bit(decoding: tuple[Both, list[tuple[bool, ...]]]) -> None:
    call, possible = decoding

    @settings(max_examples=60, deadline=None)
    @given(batches(), st.sampled_from(possible))
    def equal(batch: tuple[torch.Tensor, list[list[int] | None]], choice: tuple[bool, ...]) -> None:
        agree(call, *batch, *choice)

    equal()


def test_a_token_id_outside_of_the_vocabulary_raises_what_upstream_raises(scoring: Both) -> None:
    messages = []
    for call in scoring:
        with pytest.raises(IndexError) as error:
            call(torch.zeros(2, 5), [[1], [7]])
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_more_requests_than_rows_are_left_to_upstreams_error(scoring: Both) -> None:
    upstream, bound = scoring
    assert bound(torch.zeros(1, 5), [[1], [2]]) is NotImplemented
    assert bound(torch.zeros(1, 5), [[1], None]) is NotImplemented
    with pytest.raises(IndexError):
        upstream(torch.zeros(1, 5), [[1], [2]])


def test_lists_that_padding_would_multiply_are_left_to_upstream(scoring: Both) -> None:
    """One request that names a whole vocabulary must not cost its memory once per request of the batch."""
    _, bound = scoring
    vocabulary = 2048
    assert bound(torch.zeros(64, vocabulary), [list(range(vocabulary)), *[[1]] * 63]) is NotImplemented
    assert bound(torch.zeros(64, vocabulary), [list(range(vocabulary))] * 64) is not NotImplemented


NAMED: list[list[int] | None] = [[1, 3], [2], None, [0, 2, 4], []]


def on_cuda() -> torch.Tensor:
    return torch.randn(len(NAMED), 8, generator=torch.Generator().manual_seed(0)).to("cuda")


@pytest.mark.sync_budget(0, poison=True)
def test_bound_scoring_never_makes_the_host_wait(scoring: Both) -> None:
    """On poisoned memory: what is read before a copy is done would differ from upstream's result."""
    with allow("the arguments are uploaded, and upstream is run for comparison"):
        logprobs = on_cuda()
        expected = scoring[0](logprobs, NAMED)
    found = scoring[1](logprobs, NAMED)
    with allow("the results are compared"):
        assert same(found, expected)


def counted(report: Report, call: Callable[..., Any], *arguments: Any) -> int:
    before = report.count
    call(*arguments)
    return report.count - before


@pytest.mark.parametrize("requests", [1, 32])
def test_upstreams_scoring_waits_as_often_for_one_request_as_for_many(scoring: Both, requests: int, sync_audit: Report) -> None:
    with allow("the arguments are uploaded"):
        logprobs = torch.zeros(requests, 8).to("cuda")
    assert counted(sync_audit, scoring[0], logprobs, [[1, 2]] * requests) == 6
    assert counted(sync_audit, scoring[1], logprobs, [[1, 2]] * requests) == 0


@pytest.mark.parametrize("requests", [1, 32])
@pytest.mark.parametrize("release", RELEASES)
def test_a_decode_step_uploads_once_instead_of_for_each_request(release: str, requests: int, sync_audit: Report) -> None:
    """Values that stay on the device cost no wait; of those read on the host, one wait for all is left."""
    upstream, bound = both(DECODING, release)
    with allow("the arguments are uploaded"):
        logprobs = torch.zeros(requests, 8).to("cuda")
    uploads = 1 if form_of(binding_of(DECODING, release), release).status == "stalls" else 0
    for choice in choices(DECODING, release):
        read_on_the_host = choice != (True,)
        assert counted(sync_audit, upstream, logprobs, [[1, 2]] * requests, *choice) == requests * (uploads + read_on_the_host)
        before = sync_audit.count
        declined = bound(logprobs, [[1, 2]] * requests, *choice) is NotImplemented
        assert (sync_audit.count - before, declined) == (read_on_the_host, requests == 1 and not read_on_the_host)


def test_every_recorded_release_has_one_binding_of_each_function() -> None:
    for release in load_releases("syncfree.adapters.sglang_srt").names:
        assert {binding_of(name, release).hook for name in (SCORING, DECODING)} == {"sampler_logprob_gather"}
