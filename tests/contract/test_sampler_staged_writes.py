"""`sampler_staged_writes`: against the reference, and bound against the real sampler methods of vLLM releases."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from syncfree.adapters.vllm.sampler_staged_writes import BINDING
from syncfree.hooks.sampler_staged_writes import HOOK, inputs
from syncfree.plugins.sync_free.sampler_staged_writes import sampler_staged_writes

from .support.vllm_releases import RELEASES, define, form_of

METHODS = ("add_request", "apply_staged_writes")
STATES = ("sampling_states", "penalties_state", "logit_bias_state", "bad_words_state", "logprob_token_ids_state")
ROWS = 4


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_leaves_what_the_reference_leaves(call: dict[str, Any]) -> None:
    outcomes = []
    for function in (sampler_staged_writes, HOOK.reference):
        sampler = copy.deepcopy(call["write"].__self__)
        function(call["changed"], sampler.write, sampler.processors())
        outcomes.append(vars(sampler))
    assert outcomes[0] == outcomes[1]


class State:
    """Per-request numbers on the host, and the copy that the device reads, which every write replaces."""

    def __init__(self) -> None:
        self.np = np.zeros(ROWS)
        self.temperature = self.top_k = self.top_p = self.min_p = self.num_bad_words = self
        self.vocab_size = self.writes = 0
        self.use_logit_bias = self.use_penalty = self.use_thinking_budget = self.np
        self.enabled = False
        self.gpu = self.np.copy()

    def add_request(self, row: int, *parameters: Any) -> bool:
        self.np[row] = parameters[-1]
        return False

    def apply_staged_writes(self) -> None:
        self.writes += 1
        self.gpu = self.np.copy()


class Custom(State):
    """A logits processor of the user's own."""


State.__module__ = "vllm.v1.worker.gpu.sample.states"


def has_processors(release: str) -> bool:
    """From 0.31; from then on a request is added without the length of its prompt."""
    return Version(release) >= Version("0.31")


def sampler(release: str) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """A maker of samplers, upstream's two methods, and ours."""
    names = [f"Sampler.{name}" for name in METHODS]
    vllm = define(release, "v1.worker.gpu.sample.sampler", names, {})
    upstream = tuple(vllm[name] for name in METHODS)
    composes = form_of(BINDING, release).compose or ()
    ours = tuple(compose(sampler_staged_writes, method) for compose, method in zip(composes, upstream, strict=True))

    def new() -> Any:
        states = {name: State() for name in (*STATES, "thinking_budget_state")}
        own = [states[name] for name in ("logit_bias_state", "penalties_state", "bad_words_state")]
        processors = {"logits_processors": [*own, Custom()]} if has_processors(release) else {}
        flags = np.zeros(ROWS, dtype=bool)
        return SimpleNamespace(**states, **processors, trace_replay_state=None, needs_logits_processing=flags)

    return new, upstream, ours


def on_device(made: Any) -> list[list[float]]:
    states = [getattr(made, name) for name in STATES] + getattr(made, "logits_processors", [])
    return [state.gpu.tolist() for state in states]


def add(method: Any, made: Any, row: int, value: float) -> None:
    method(made, row, *(() if hasattr(made, "logits_processors") else (7,)), value)


STEPS = st.lists(st.tuples(st.lists(st.tuples(st.integers(0, ROWS - 1), st.floats(1, 9))), st.booleans()), max_size=8)


def test_after_every_step_the_device_has_what_it_has_with_upstream(release: str) -> None:
    """Steps that add requests or none, each with our choice or upstream's."""
    new, upstream, ours = sampler(release)

    @settings(max_examples=200, deadline=None)
    @given(STEPS)
    def equal(steps: list[tuple[list[tuple[int, float]], bool]]) -> None:
        expected, found = new(), new()
        for requests, is_ours in steps:
            add_request, apply = ours if is_ours else upstream
            for row, value in requests:
                add(add_request, found, row, value)
                add(upstream[0], expected, row, value)
            assert apply(found) is None
            upstream[1](expected)
            assert on_device(found) == on_device(expected)

    equal()


def test_nothing_is_copied_when_no_request_was_added_but_other_processors_are_called(release: str) -> None:
    new, _, (add_request, apply) = sampler(release)
    made = new()
    add(add_request, made, 0, 0.5)
    for _ in range(5):
        apply(made)
    assert made.sampling_states.writes == 1
    assert [processor.writes for processor in getattr(made, "logits_processors", [])] in ([], [1, 1, 1, 5])
