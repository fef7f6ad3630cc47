"""`stop_token_mask`: against the reference, and bound against the real processor of vLLM."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from syncfree.adapters.vllm.stop_token_mask import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.stop_token_mask import HOOK, inputs
from syncfree.plugins.sync_free.stop_token_mask import stop_token_mask
from syncfree.testing._equality import difference

from .support.outcome import outcome
from .support.vllm_releases import NEWEST, define, form_of


def both() -> tuple[Any, Any]:
    """Upstream's method, and the adapter's replacement."""
    name = "_mask_stop_token_logits"
    vllm = define(NEWEST, "v1.sample.logits_processor.builtin", [f"MinTokensLogitsProcessor.{name}"], {"torch": torch})
    (compose,) = form_of(BINDING, NEWEST).compose or ()
    return vllm[name], compose(stop_token_mask, vllm[name])


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    mine, theirs = outcome(stop_token_mask, call), outcome(HOOK.reference, call)
    assert difference(mine, theirs, None) is None


def processor(call: dict[str, Any], method: Any) -> Any:
    own = SimpleNamespace(neg_inf_tensor=call["value"])
    return lambda logits, masked, restored: method(own, logits, masked, restored)


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_bound_it_leaves_what_upstream_leaves(call: dict[str, Any]) -> None:
    """As vLLM calls it: entries of a row stand together, none twice, and all that may be given back is masked."""
    entries = sorted(set(zip(*(part.tolist() for part in call["restored"]), strict=True)))
    kind = call["restored"][0].dtype
    restored = tuple(torch.tensor(entries, dtype=kind).view(-1, 2).unbind(1))
    masked = tuple(torch.cat(parts) for parts in zip(call["masked"], restored, strict=True))
    arguments = {"logits": call["logits"], "masked": masked, "restored": restored}
    theirs, mine = (outcome(processor(call, method), arguments) for method in both())
    assert difference(mine, theirs, None) is None


def on_cuda() -> tuple[Any, ...]:
    logits = torch.tensor([[1.0, 2.0, 3.0], [float("-inf"), 5.0, float("-inf")]]).to("cuda")
    entries = tuple(torch.tensor(part, dtype=torch.int32).to("cuda") for part in ([0, 1], [1, 1]))
    return SimpleNamespace(neg_inf_tensor=torch.tensor(float("-inf")).to("cuda")), logits, entries, entries


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait() -> None:
    with allow("made outside of the call"):
        arguments = on_cuda()
    both()[1](*arguments)
    with allow("the result is looked at"):
        assert arguments[1].tolist() == [[1.0, float("-inf"), 3.0], [float("-inf"), 5.0, float("-inf")]]


def test_upstream_waits_for_the_size_of_every_selection(sync_audit: Report) -> None:
    with allow("made outside of the call"):
        arguments = on_cuda()
    both()[0](*arguments)
    assert sync_audit.count >= 4
