"""`sampling_parameters`: against the reference, and bound against the real classes of SGLang releases."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree._difference import difference
from syncfree.adapters.sglang_srt.sampling_parameters import BINDINGS
from syncfree.audit import Report, allow
from syncfree.hooks.sampling_parameters import HOOK, inputs
from syncfree.plugins.sync_free.sampling_parameters import sampling_parameters

from .support.bound_class import form_of
from .support.outcome import outcome, same
from .support.sglang_sampling import Batch, Request, sampling, state

BOUND = ("0.5.9", "0.5.10", "0.5.13", "0.5.14", "0.5.17", "0.5.18", "0.5.20")
UPSTREAMED = ("0.5.21", "0.5.23")
VOCABULARY = 5
BATCH, PENALTIES = BINDINGS


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(sampling_parameters, call), outcome(HOOK.reference, call))


@pytest.mark.parametrize(("dtype", "value"), [(torch.int32, 2**31), (torch.float32, None)])
def test_what_no_tensor_can_hold_raises_what_the_reference_raises(dtype: torch.dtype, value: Any) -> None:
    messages = []
    for function in (sampling_parameters, HOOK.reference):
        with pytest.raises((RuntimeError, OverflowError, TypeError)) as error:
            function([value], dtype, torch.device("cpu"))
        messages.append((error.type, str(error.value)))
    assert messages[0] == messages[1]


def replacement(binding: Any, release: str, original: Any) -> Any:
    (compose,) = form_of(binding, release).compose or ()
    return compose(sampling_parameters, original)


class Engine:
    """The classes of a release; `bound` puts both replacements in place."""

    def __init__(self, release: str) -> None:
        self.release, self.found = release, sampling(release)
        self.batch_info: Any = self.found["SamplingBatchInfo"]
        self.penalizer: Any = self.found["_BatchedPenalizer"]

    def prepared(self, requests: list[Request], device: str) -> dict[str, Any]:
        """Return what the engine makes of a batch."""
        batch = Batch(requests, device)
        return state(self.batch_info.from_schedule_batch(batch, VOCABULARY))

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Replace both targets."""
        upstream = vars(self.batch_info)["from_schedule_batch"], vars(self.penalizer)["prepare"]
        made = replacement(BATCH, self.release, upstream[0].__func__)

        def from_schedule_batch(cls: Any, batch: Any, vocab_size: Any) -> Any:
            result = made(cls, batch, vocab_size)
            return upstream[0].__func__(cls, batch, vocab_size) if result is NotImplemented else result

        self.batch_info.from_schedule_batch = classmethod(from_schedule_batch)
        self.penalizer.prepare = replacement(PENALTIES, self.release, upstream[1])
        try:
            yield
        finally:
            self.batch_info.from_schedule_batch, self.penalizer.prepare = upstream


@pytest.fixture(scope="module", params=BOUND)
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)


BIAS = st.floats(width=32) | st.sampled_from([-0.0, -100, 3, 2**60 + 1, True])
TOKEN = st.integers(-VOCABULARY, VOCABULARY - 1).map(str) | st.sampled_from(["01", " 1", "+2"])
REQUEST = st.builds(
    Request,
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    top_k=st.integers(1, 1 << 30),
    min_p=st.floats(0, 1),
    frequency_penalty=st.sampled_from([0.0, 0.5, -1.1]),
    presence_penalty=st.sampled_from([0.0, 0.3]),
    repetition_penalty=st.sampled_from([1.0, 1.2]),
    min_new_tokens=st.integers(0, 2),
    stop_token_ids=st.frozensets(st.integers(0, VOCABULARY - 1)),
    logit_bias=st.none() | st.dictionaries(TOKEN, BIAS, max_size=6),
    sampling_seed=st.none() | st.integers(0, 2**62),
)


def test_a_bound_batch_is_equal_to_upstreams_bit_for_bit(engine: Engine, sync_audit: Report) -> None:
    """On the simulated device: on the CPU nothing is routed."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(REQUEST, min_size=1, max_size=4))
    def equal(requests: list[Request]) -> None:
        with allow("upstream is run for comparison"):
            expected = engine.prepared(requests, "cuda")
        with engine.bound():
            found = engine.prepared(requests, "cuda")
        with allow("the results are compared"):
            assert difference(found, expected, None) is None

    equal()


ALL = Request(0.5, 0.9, 7, 0.1, 0.5, 0.3, 1.2, 2, frozenset({3, 4}), {"0": 1.5, "04": 2, "4": -3, "-2": float("-inf")})
FEW = [ALL, Request(), Request(logit_bias={"1": -0.0, "2": 2**60 + 1.0})]


@pytest.mark.sync_budget(0, poison=True)
def test_a_bound_batch_never_makes_the_host_wait(engine: Engine) -> None:
    requests = [ALL, Request(), Request(logit_bias={"1": -0.0})]
    with allow("upstream is run for comparison"):
        expected = engine.prepared(requests, "cuda")
    with engine.bound():
        found = engine.prepared(requests, "cuda")
    with allow("the results are compared"):
        assert same(found, expected)


def test_a_bias_that_float32_may_round_in_another_way_is_stored_by_upstream(engine: Engine, sync_audit: Report) -> None:
    with allow("upstream is run for comparison"):
        expected = engine.prepared(FEW, "cuda")
    with engine.bound():
        found = engine.prepared(FEW, "cuda")
    assert sync_audit.count == 1
    with allow("the results are compared"):
        assert same(found, expected)


def test_a_token_outside_of_the_vocabulary_raises_what_upstream_raises(engine: Engine, sync_audit: Report) -> None:
    requests = [Request(logit_bias={"1": 1.0, str(VOCABULARY): 1.0})]
    with pytest.raises(IndexError) as upstreams:
        engine.prepared(requests, "cuda")
    with engine.bound(), pytest.raises(IndexError) as ours:
        engine.prepared(requests, "cuda")
    assert str(ours.value) == str(upstreams.value)


def counted(report: Report, engine: Engine, requests: list[Request]) -> int:
    gc.collect()
    before = report.count
    engine.prepared(requests, "cuda")
    return report.count - before


def test_upstream_waits_as_often_as_the_verdict_says(engine: Engine, sync_audit: Report) -> None:
    plain, biased = [Request()] * 4, [Request(logit_bias={"1": 1.0, "2": 1.0, "3": 1.0})] * 4
    penalties = 2 if engine.release == "0.5.9" else 3
    always = counted(sync_audit, engine, plain)
    # One more than in production: deterministic sampling uploads seeds, too.
    assert always == (5 if "4 host syncs" in form_of(BATCH, engine.release).why else 0)
    assert counted(sync_audit, engine, biased) == always + 12
    everything = [Request(frequency_penalty=0.5, presence_penalty=0.5, repetition_penalty=1.5, min_new_tokens=2)] * 4
    assert counted(sync_audit, engine, everything) == always + penalties + 1 + 4


@pytest.mark.parametrize("release", UPSTREAMED)
@pytest.mark.sync_budget(0)
def test_the_releases_that_are_said_to_have_the_change_never_wait(release: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sglang.srt.managers.schedule_batch", SimpleNamespace(ScheduleBatch=Batch))
    assert {form_of(binding, release).status for binding in BINDINGS} == {"upstreamed"}
    assert Engine(release).prepared(FEW, "cuda")["logit_bias"].shape == (3, VOCABULARY)


def test_a_batch_without_biases_is_left_to_upstream_where_only_these_wait() -> None:
    def upstream(*_: Any) -> Any:
        raise AssertionError("called")

    made = replacement(BATCH, "0.5.14", upstream)
    assert made(None, Batch([Request()], "cuda"), VOCABULARY) is NotImplemented


def test_a_matrix_that_is_used_before_the_end_has_its_biases(sync_audit: Report) -> None:
    """A platform's own code may run before upstream's function returns; collected stores are made before it uses a tensor."""

    def upstream(cls: Any, batch: Any, vocab_size: int) -> Any:
        matrix, other = (torch.zeros(2, vocab_size, device="cuda") for _ in range(2))
        matrix[0, 1] = 1.0
        read = matrix.clone()
        matrix[1, 1] = 2.0
        other[0, 0] = 4.0
        return read.sum(), matrix.sum(), other.sum()

    sums = replacement(BATCH, "0.5.9", upstream)(None, None, 3)
    assert sync_audit.count == 0
    with allow("the results are read"):
        assert [one.item() for one in sums] == [1.0, 3.0, 4.0]
