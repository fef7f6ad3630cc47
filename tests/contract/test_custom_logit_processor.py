"""`custom_logit_processor`: against the reference, and bound against the real sampler and batches of SGLang releases."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree._difference import difference
from syncfree.adapters.sglang_srt.custom_logit_processor import BINDINGS
from syncfree.adapters.sglang_srt.custom_logit_processor._rows import RowsOfMasks
from syncfree.audit import Report, allow
from syncfree.hooks.custom_logit_processor import HOOK, inputs
from syncfree.plugins.sync_free.custom_logit_processor import custom_logit_processor
from tests.environments import unpacked

from .support.bound_class import form_of
from .support.outcome import outcome
from .support.sglang_sampling import Batch, Request, sampling
from .support.upstream_source import functions

BOUND = ("0.5.9", "0.5.15", "0.5.19", "0.5.20")
UPSTREAMED = ("0.5.21", "0.5.23")
VOCABULARY = 4
STEP, BATCHES = BINDINGS


@settings(max_examples=300, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    mine, theirs = outcome(custom_logit_processor, call), outcome(HOOK.reference, call)
    assert difference(mine, theirs, None) is None


@pytest.mark.parametrize("result", [torch.zeros(1, 3, dtype=torch.float64), torch.zeros(2, 2)], ids=["dtype", "shape"])
def test_a_result_that_cannot_be_stored_raises_what_the_reference_raises(result: torch.Tensor) -> None:
    messages = []
    for function in (custom_logit_processor, HOOK.reference):
        logits = torch.ones(3, 3)
        with pytest.raises((RuntimeError, IndexError)) as error:
            function(logits, [0, 2], lambda _: result)
        messages.append((error.type, str(error.value)))
        assert logits.tolist() == torch.ones(3, 3).tolist()
    assert messages[0] == messages[1]


class Adding:
    """A processor of a user: it adds the number that each request has as its parameter."""

    def __init__(self, name: str) -> None:
        self.factor = {"once": 1.0, "thrice": 3.0}[name]

    def __call__(self, logits: torch.Tensor, params: list[dict[str, float]]) -> torch.Tensor:
        for row, of_request in enumerate(params):
            logits[row] += self.factor * of_request["add"]
        return logits


class Engine:
    """Batches and the sampler's function of a release, on the simulated device."""

    def __init__(self, release: str, implementation: Callable[..., Any] = custom_logit_processor) -> None:
        self.forms = [form_of(binding, release) for binding in BINDINGS]
        found = sampling(release)
        found["get_server_args"]().enable_custom_logit_processor = True
        found["CustomLogitProcessor"] = SimpleNamespace(from_str=Adding)
        self.batch_info: Any = found["SamplingBatchInfo"]
        file = unpacked("sglang", release) / "sglang/srt/layers/sampler.py"
        own = {"torch": torch, "logger": logging.getLogger(__name__)}
        self.apply: Any = functions(file, ["apply_custom_logit_processor"], own)["apply_custom_logit_processor"]
        self._implementation = implementation

    def batch(self, processors: list[str | None], first: int = 0) -> Any:
        """Return a new batch, of one request per processor."""
        batch = Batch([Request()] * len(processors), "cuda")
        for number, (request, name) in enumerate(zip(batch.reqs, processors, strict=True), first):
            request.custom_logit_processor = name
            request.sampling_params.custom_params = {"add": float(number)}
        info = self.batch_info.from_schedule_batch(batch, VOCABULARY)
        info.penalizer_orchestrator = SimpleNamespace(filter=lambda _: None, merge=lambda _: None)
        return info

    def step(self, info: Any, tokens: int = 1) -> torch.Tensor:
        """Return logits after the processors, those of row and column numbers before."""
        with allow("the model's result"):
            size = len(info) * tokens
            logits = torch.arange(size * VOCABULARY, dtype=torch.float32).view(size, VOCABULARY).to("cuda")
        if info.has_custom_logit_processor:
            self.apply(logits, info, tokens)
        return logits

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Replace the three targets."""
        names = [target.rpartition(".")[2] for target in BATCHES.targets]
        before = self.apply, *(vars(self.batch_info)[name] for name in names)
        plain = [one.__func__ if isinstance(one, staticmethod) else one for one in before]
        composed = [
            or_upstream(compose(self._implementation, original), original)
            for compose, original in zip([one for form in self.forms for one in form.compose or ()], plain, strict=True)
        ]
        self.apply, (self.batch_info._filter_batch_custom_logit_processor, merged) = composed[0], composed[1:]
        self.batch_info.merge_custom_logit_processor = staticmethod(merged)
        try:
            yield
        finally:
            self.apply = before[0]
            for name, original in zip(names, before[1:], strict=True):
                setattr(self.batch_info, name, original)


def or_upstream(function: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """What a slot does: upstream's answer where the replacement declines."""

    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        return original(*arguments) if result is NotImplemented else result

    return call


@pytest.fixture(scope="module", params=BOUND)
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)


NAMES = st.sampled_from([None, "once", "thrice"])
CHANGE = st.tuples(st.just("join"), st.lists(NAMES, min_size=1, max_size=3)) | st.tuples(
    st.just("leave"), st.lists(st.booleans(), min_size=9, max_size=9)
)


def served(engine: Engine, first: list[str | None], changes: list[tuple[str, list[Any]]], tokens: int) -> list[Any]:
    """Return what the engine's steps give, with a step after each change of the batch, and what the batch holds."""
    info, results = engine.batch(first), []
    for number, (change, which) in enumerate([("", []), *changes]):
        if change == "join":
            new = engine.batch(which, first=10 * number)
            results.append(engine.step(new, tokens))
            info.merge_batch(new)
        elif change == "leave":
            keep = [row for row in range(len(info)) if which[row % len(which)]] or [0]
            with allow("made outside of the call"):
                on_device = torch.tensor(keep).to("cuda")
            info.filter_batch(keep, on_device)
        found = info.custom_logit_processor or {}
        masks = {processor.factor: mask for processor, mask in found.values()}
        results += [engine.step(info, tokens), masks, info.custom_params, info.has_custom_logit_processor]
    return results


def test_bound_batches_that_change_are_equal_to_upstreams(engine: Engine, sync_audit: Report) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(NAMES, min_size=1, max_size=4), st.lists(CHANGE, max_size=5), st.sampled_from([1, 1, 2]))
    def equal(first: list[str | None], changes: list[tuple[str, list[Any]]], tokens: int) -> None:
        if tokens == 2 and "parameters once" in repeats(engine):
            tokens = 1  # these releases give a processor fewer parameters than rows then
        with allow("upstream is run for comparison"):
            expected = served(engine, first, changes, tokens)
        with engine.bound():
            found = served(engine, first, changes, tokens)
        with allow("the results are compared"):
            assert difference(found, expected, None) is None

    equal()


def repeats(engine: Engine) -> str:
    """Return how a release gives parameters to a processor where a request has several tokens."""
    return "parameters per token" if ">=0.5.20" in engine.forms[0].releases else "parameters once"


class Counting:
    """A processor that takes down how many parameters it was given."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, logits: torch.Tensor, params: list[Any]) -> torch.Tensor:
        self.given.append(len(params))
        return logits


def test_with_several_tokens_per_request_a_processor_gets_as_many_parameters_as_upstreams(
    engine: Engine, sync_audit: Report
) -> None:
    processor = Counting()
    info = engine.batch(["once", None, "once"])
    info.custom_logit_processor = {key: (processor, mask) for key, (_, mask) in info.custom_logit_processor.items()}
    with allow("upstream is run for comparison"):
        engine.step(info, 2)
    with engine.bound():
        engine.step(info, 2)
    assert processor.given[0] == processor.given[1] == (4 if repeats(engine) == "parameters per token" else 2)


CHANGES = [("join", ["once", None]), ("leave", [True, False] * 5), ("join", [None, None]), ("leave", [True] * 3 + [False] * 6)]


def test_bound_the_host_waits_once_for_each_processor_of_a_new_batch(engine: Engine, sync_audit: Report) -> None:
    with allow("made outside of the call"):
        info = engine.batch(["once", "thrice", None, "once"])
    with engine.bound():
        engine.step(info)
        assert sync_audit.count == 2
        for _ in range(3):
            engine.step(info)
        assert sync_audit.count == 2
        with allow("made outside of the call"):
            new, keep = engine.batch(["thrice", None]), torch.tensor([0, 1, 4]).to("cuda")
        engine.step(new)
        assert sync_audit.count == 3
        info.merge_batch(new)
        engine.step(info)
        info.filter_batch([0, 1, 4], keep)
        engine.step(info)
        assert sync_audit.count == 3


@pytest.mark.parametrize(("processors", "waits"), [(["once"] * 2, 5), (["once"] * 8, 11), (["once", "thrice", None, "once"], 9)])
def test_upstream_waits_three_times_per_processor_and_once_per_request_in_each_step(
    engine: Engine, sync_audit: Report, processors: list[str | None], waits: int
) -> None:
    with allow("made outside of the call"):
        info = engine.batch(processors)
    for _ in range(2):
        before = sync_audit.count
        engine.step(info)
        assert sync_audit.count - before == waits


def test_upstream_waits_once_per_processor_where_requests_leave(engine: Engine, sync_audit: Report) -> None:
    with allow("made outside of the call"):
        info, keep = engine.batch(["once", "thrice", None]), torch.tensor([0, 2]).to("cuda")
    info.filter_batch([0, 2], keep)
    assert sync_audit.count == 2


def test_a_mask_that_other_code_wrote_to_is_read_again(engine: Engine, sync_audit: Report) -> None:
    info = engine.batch(["once", None])
    with engine.bound():
        engine.step(info)
        ((_, mask),) = info.custom_logit_processor.values()
        with allow("other code writes to the mask"):
            mask.logical_not_()
        changed = engine.step(info)
        with allow("upstream is run for comparison"):
            info.custom_logit_processor = {0: (Adding("once"), mask.clone())}
            assert difference(changed, engine.step(info), None) is None


def test_a_processor_is_run_over_upstreams_mask_where_the_implementation_declines(sync_audit: Report) -> None:
    def declines(*_: Any) -> Any:
        return NotImplemented

    engine = Engine("0.5.20", declines)
    with allow("upstream is run for comparison"):
        expected = served(engine, ["once", "thrice", "once"], CHANGES, 1)
        with engine.bound():
            assert difference(served(engine, ["once", "thrice", "once"], CHANGES, 1), expected, None) is None


def test_a_mask_whose_rows_are_known_is_not_kept_alive() -> None:
    rows, mask = RowsOfMasks(), torch.tensor([True, False])
    rows.remember(mask, [0])
    assert rows.known(mask) == [0]
    left = weakref.ref(mask)
    del mask
    gc.collect()
    assert left() is None


def test_masks_of_inference_mode_are_left_to_upstream(engine: Engine, sync_audit: Report) -> None:
    """They cannot tell that they were written to."""
    with torch.inference_mode():
        info = engine.batch(["once", None, "once"])
        with engine.bound():
            for _ in range(2):
                before = sync_audit.count
                engine.step(info)
                assert sync_audit.count - before == 5


@pytest.mark.parametrize("wrong", ["logits", "mask"])
def test_sizes_that_do_not_match_raise_upstreams_error(engine: Engine, sync_audit: Report, wrong: str) -> None:
    info = engine.batch(["once", None])
    logits = torch.zeros(3 if wrong == "logits" else 2, VOCABULARY).to("cuda")
    if wrong == "mask":
        info.custom_logit_processor = {0: (Adding("once"), torch.ones(3, dtype=torch.bool).to("cuda"))}
    messages = []
    for apply in (engine.apply, None):
        with engine.bound(), pytest.raises(AssertionError) as error:
            (apply or engine.apply)(logits, info)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("release", UPSTREAMED)
def test_the_releases_that_are_said_to_have_the_change_never_wait(release: str, sync_audit: Report) -> None:
    assert form_of(STEP, release).status == "upstreamed"
    file = unpacked("sglang", release) / "sglang/srt/layers/sampler.py"
    own = {"torch": torch, "logger": logging.getLogger(__name__)}
    apply = functions(file, ["apply_custom_logit_processor"], own)["apply_custom_logit_processor"]
    with allow("made outside of the call"):
        entry = SimpleNamespace(processor=Adding("once"), rows=[0, 2], indices=torch.tensor([0, 2]).to("cuda"))
        logits = torch.ones(3, VOCABULARY).to("cuda")

    class Info(SimpleNamespace):
        def __len__(self) -> int:
            return 3

    apply(logits, Info(custom_logit_processor={0: entry}, custom_params=[{"add": 1.0}] * 3, device="cuda"))
    assert sync_audit.count == 0
    with allow("the result is looked at"):
        assert logits[:, 0].tolist() == [2.0, 1.0, 2.0]
