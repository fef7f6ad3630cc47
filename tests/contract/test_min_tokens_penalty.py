"""`min_tokens_penalty`: against the reference, and bound against the real penalizer of SGLang releases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree._difference import difference
from syncfree.adapters.sglang_srt.min_tokens_penalty import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.min_tokens_penalty import HOOK, inputs
from syncfree.plugins.sync_free.min_tokens_penalty import min_tokens_penalty

from .support import sglang_releases
from .support.bound_class import form_of
from .support.outcome import outcome

RELEASES = ("0.5.9", "0.5.10", "0.5.13")


@pytest.fixture(params=RELEASES)
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    original = sglang_releases.upstream(BINDING, request.param, {})
    return original, sglang_releases.ours(BINDING, request.param, min_tokens_penalty, original)


def penalizer(call: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(
        stop_token_penalties=call["penalties"], len_output_tokens=call["generated"], min_new_tokens=call["least"]
    )


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    mine, theirs = outcome(min_tokens_penalty, call), outcome(HOOK.reference, call)
    assert difference(mine, theirs, None) is None


def bits(logits: torch.Tensor) -> torch.Tensor:
    return logits.view(torch.int32 if logits.dtype is torch.float32 else torch.int16)


def test_bound_it_leaves_what_upstream_leaves(both: tuple[Any, Any]) -> None:
    """Rows that are long enough keep their bits, those of each NaN, too."""

    @settings(max_examples=200, deadline=None)
    @given(inputs())
    def equal(call: dict[str, Any]) -> None:
        upstreams, ours = (call["logits"].clone() for _ in range(2))
        for function, logits in zip(both, (upstreams, ours), strict=True):
            assert function(penalizer(call), logits) is None
        assert difference(ours, upstreams, None) is None
        kept = (call["generated"] >= call["least"]).view(-1)
        assert torch.equal(bits(ours)[kept], bits(call["logits"])[kept])

    equal()


def on_cuda() -> tuple[SimpleNamespace, torch.Tensor]:
    stop = torch.zeros(2, 4)
    stop[:, 1] = float("-inf")
    generated, least = torch.tensor([[1], [2]], dtype=torch.int32), torch.tensor([[2], [2]], dtype=torch.int32)
    call = {"penalties": stop.to("cuda"), "generated": generated.to("cuda"), "least": least.to("cuda")}
    return penalizer(call), torch.ones(2, 3).to("cuda")


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(both: tuple[Any, Any]) -> None:
    with allow("made outside of the call"):
        own, logits = on_cuda()
        own.stop_token_penalties = own.stop_token_penalties[:, :3]
    both[1](own, logits)
    with allow("the result is looked at"):
        assert logits.tolist() == [[1.0, float("-inf"), 1.0], [1.0, 1.0, 1.0]]


def test_upstream_waits_three_times_in_each_step(both: tuple[Any, Any], sync_audit: Report) -> None:
    with allow("made outside of the call"):
        own, logits = on_cuda()
        own.stop_token_penalties = own.stop_token_penalties[:, :3]
    both[0](own, logits)
    assert sync_audit.count == 3


@pytest.mark.parametrize("release", ["0.5.14", "0.5.20", "0.5.23"])
@pytest.mark.sync_budget(0)
def test_the_releases_that_are_said_to_have_the_change_never_wait(release: str) -> None:
    assert form_of(BINDING, release).status == "upstreamed"
    with allow("made outside of the call"):
        own, logits = on_cuda()
        own.stop_token_penalties = own.stop_token_penalties[:, :3]
    sglang_releases.upstream(BINDING, release, {})(own, logits)


def test_penalties_of_another_shape_are_left_to_upstream() -> None:
    ones = torch.ones(1, 1, dtype=torch.int32)
    assert min_tokens_penalty(torch.zeros(2, 3), torch.zeros(1, 3), ones, ones) is NotImplemented
