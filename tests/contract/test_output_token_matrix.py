"""`output_token_matrix`: against the reference, and bound against the real function of vLLM releases."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from syncfree.adapters.vllm.output_token_matrix import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.output_token_matrix import HOOK, inputs
from syncfree.plugins.sync_free.output_token_matrix import _THREAD, output_token_matrix

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of

CPU = torch.device("cpu")
VOCABULARY = 50
PLACEHOLDER = -1
FEW = st.integers(0, 4)


def both(release: str, pinned: bool) -> tuple[Any, Any]:
    """Upstream's function of one release, and the adapter's replacement."""
    vllm: dict[str, Any] = {"torch": torch, "np": np, "npt": npt, "T": TypeVar("T")}
    vllm |= {"PIN_MEMORY": pinned, "is_pin_memory_available": lambda: pinned}
    helpers = ["TORCH_DTYPE_TO_NUMPY_DTYPE", "make_ndarray_with_pad", "make_tensor_with_pad"]
    define(release, "utils.torch_utils", helpers, vllm)
    upstream = define(release, "v1.sample.ops.penalties", ["_convert_to_tensors"], vllm)["_convert_to_tensors"]
    (compose,) = form_of(BINDING, release).compose or ()
    return upstream, compose(output_token_matrix, upstream)


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_equal_to_the_reference_whatever_the_call_before_was(call: dict[str, Any]) -> None:
    assert same(outcome(output_token_matrix, call), outcome(HOOK.reference, call))


class Batch(RuleBasedStateMachine):
    """What a model runner does to its lists of output tokens between two samplings, and what either function makes of them.

    After every rule the matrix is asked for: each is a batch of its own, and a step in which nothing happened.
    """

    upstream: Any
    bound: Any
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.lists: list[list[int]] = []
        self.drafts: list[int] = []
        self.tokens = (number % VOCABULARY for number in count())

    def some(self, number: int) -> list[int]:
        return [next(self.tokens) for _ in range(number)]

    def list_of(self, pick: int) -> list[int]:
        return self.lists[pick % len(self.lists)]

    @initialize(lengths=st.lists(st.sampled_from([0, 1, 5, 40, 255, 256, 257]), max_size=9))
    def requests_that_are_there(self, lengths: list[int]) -> None:
        self.lists = [self.some(length) for length in lengths]

    @rule(each=st.integers(1, 3))
    def every_request_generates(self, each: int) -> None:
        for tokens in self.lists:
            tokens += self.some(each)

    @precondition(lambda self: self.lists)
    @rule(pick=FEW, number=st.sampled_from([1, 17, 300]))
    def one_request_generates(self, pick: int, number: int) -> None:
        self.list_of(pick).extend(self.some(number))

    @rule(each=st.integers(1, 3))
    def placeholders_are_put(self, each: int) -> None:
        for tokens in self.lists:
            tokens += [PLACEHOLDER] * each

    @rule(accepted=st.lists(FEW, min_size=1, max_size=4))
    def placeholders_become_tokens_as_many_as_were_accepted(self, accepted: list[int]) -> None:
        for row, tokens in enumerate(self.lists):
            first = len(tokens)
            while first and tokens[first - 1] == PLACEHOLDER:
                first -= 1
            tokens[first:] = self.some(accepted[row % len(accepted)])

    @precondition(lambda self: self.lists)
    @rule(pick=FEW, left=st.integers(0, 40))
    def tokens_are_taken_back(self, pick: int, left: int) -> None:
        del self.list_of(pick)[left:]

    @rule(rejected=st.integers(1, 3))
    def drafts_are_rejected_and_replaced(self, rejected: int) -> None:
        for tokens in self.lists:
            if len(tokens) >= rejected:
                tokens[-rejected:] = self.some(rejected)

    @precondition(lambda self: self.lists)
    @rule(pick=FEW)
    def one_token_in_the_middle_changes(self, pick: int) -> None:
        """Nothing in vLLM does that. It would be found all the same."""
        tokens = self.list_of(pick)
        if tokens:
            tokens[len(tokens) // 2] += 1

    @rule(length=st.sampled_from([0, 3, 260]))
    def a_request_joins(self, length: int) -> None:
        self.lists.append(self.some(length))

    @precondition(lambda self: self.lists)
    @rule(pick=FEW)
    def a_request_leaves_and_the_last_one_takes_its_row(self, pick: int) -> None:
        last = self.lists.pop()
        if self.lists:
            self.lists[pick % len(self.lists)] = last

    @precondition(lambda self: self.lists)
    @rule(pick=FEW)
    def a_request_is_preempted_and_resumed_with_a_new_list(self, pick: int) -> None:
        resumed = self.lists.pop(pick % len(self.lists))
        self.lists.append(resumed[: len(resumed) - 1])

    @precondition(lambda self: self.lists)
    @rule(one=FEW, other=FEW)
    def rows_are_swapped(self, one: int, other: int) -> None:
        one, other = one % len(self.lists), other % len(self.lists)
        self.lists[one], self.lists[other] = self.lists[other], self.lists[one]

    @precondition(lambda self: self.lists)
    @rule(pick=FEW)
    def a_list_is_cleared(self, pick: int) -> None:
        """As streaming input does."""
        self.list_of(pick).clear()

    @rule(drafts=st.lists(FEW, max_size=4))
    def drafts_are_verified(self, drafts: list[int]) -> None:
        """A row for each draft, of new lists, beside the batch's own rows in the same step."""
        rows = []
        for tokens, number in zip(self.lists, drafts, strict=False):
            rows += [tokens + [7] * length for length in range(number)]
        self.compare(rows)

    @invariant()
    def the_matrix_is_upstreams(self) -> None:
        self.compare(self.lists)

    def compare(self, lists: list[list[int]]) -> None:
        before = [list(tokens) for tokens in lists]
        found = self.bound(lists, VOCABULARY, CPU)
        assert lists == before
        expected = self.upstream(lists, VOCABULARY, CPU)
        assert same(found, expected)
        assert found.shape == expected.shape
        assert found.is_contiguous()
        # As the caller does: what was returned is its own.
        found.masked_fill_(found == PLACEHOLDER, VOCABULARY)
        type(self).steps += 1


def test_bound_it_gives_what_upstream_gives_over_thousands_of_steps(release: str) -> None:
    upstream, bound = both(release, pinned=False)
    functions = {"upstream": staticmethod(upstream), "bound": staticmethod(bound)}
    machine = type("BatchOfRelease", (Batch,), functions)
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))  # type: ignore[no-untyped-call]
    assert machine.steps > 2000


def test_in_and_out_of_inference_mode() -> None:
    lists = [[1, 2], [3]]
    for mode in (True, False, True):
        lists[0].append(4)
        with torch.inference_mode(mode):
            found = output_token_matrix(lists, VOCABULARY, CPU)
            assert found.is_inference() is mode
            assert torch.equal(found, HOOK.reference(lists, VOCABULARY, CPU))


def test_after_a_call_that_raised_the_next_one_is_right() -> None:
    tokens = list(range(200))
    output_token_matrix([tokens, tokens], VOCABULARY, CPU)
    with pytest.raises(OverflowError):
        output_token_matrix([[*tokens, 1], [*tokens, 1 << 63]], VOCABULARY, CPU)
    lists = [[*tokens, 1], tokens]
    assert same(output_token_matrix(lists, VOCABULARY, CPU), HOOK.reference(lists, VOCABULARY, CPU))


def test_a_device_whose_streams_it_does_not_know_is_declined() -> None:
    assert output_token_matrix([[1]], VOCABULARY, torch.device("meta")) is NotImplemented


def batches() -> list[list[list[int]]]:
    """Steps: a first batch, growth, a rejection, a swap and a join, one row anew, a wide row, narrow again, half of them, and none."""
    first = [list(range(row, row + 60)) for row in range(64)]
    grown = [[*tokens, PLACEHOLDER] for tokens in first]
    rejected = [[*tokens[:-1], 5] for tokens in grown]
    joined = [*reversed(rejected), [4]]
    anew = [[9] * 70, *joined[1:]]
    return [first, grown, rejected, joined, anew, [[*anew[0], *range(500)], *anew[1:]], anew, anew[:5], []]


@pytest.mark.parametrize("release", ["0.21.0", "0.32.0"])
@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(release: str) -> None:
    """On poisoned memory: pinned memory that is written again while its copy is under way raises."""
    _, bound = both(release, pinned=True)
    results = [bound(lists, VOCABULARY, torch.device("cuda:0")) for lists in batches()]
    with allow("the results are compared"):
        for lists, found in zip(batches(), results, strict=True):
            assert same(found.cpu(), HOOK.reference(lists, VOCABULARY, CPU))


@pytest.mark.sync_budget(0, poison=True)
def test_streams_do_not_share_a_matrix() -> None:
    cuda, lists = torch.device("cuda:0"), [[1, 2], [3]]
    _THREAD.matrices.clear()
    results = []
    for stream in (torch.cuda.current_stream(), torch.cuda.Stream()) * 2:
        lists = [[*tokens, 7] for tokens in lists]
        with torch.cuda.stream(stream):
            results.append((lists, output_token_matrix(lists, VOCABULARY, cuda)))
    assert len(_THREAD.matrices) == 2
    with allow("the results are compared"):
        for expected, found in results:
            assert same(found.cpu(), HOOK.reference(expected, VOCABULARY, CPU))


def test_upstream_sends_everything_in_every_step(release: str, sync_audit: Report) -> None:
    """Without a stall: what it costs is time of the host."""
    upstream, _ = both(release, pinned=True)
    for lists in batches():
        upstream(lists, VOCABULARY, torch.device("cuda:0"))
    assert sync_audit.count == 0


def test_where_little_changed_little_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix that was sent anew would be right as well."""
    sent = []
    taken = SimpleNamespace(
        **{**vars(torch), "empty": lambda *size, **kwargs: sent.append(size) or torch.empty(*size, **kwargs)}
    )
    monkeypatch.setattr("syncfree.plugins.sync_free.output_token_matrix.torch", taken)
    lists = [list(range(100)) for _ in range(8)]
    for step in range(3):
        output_token_matrix(lists, VOCABULARY, CPU)
        lists = [[*tokens, step] for tokens in lists]
    assert sent == [(2, 8), (2, 8)]
