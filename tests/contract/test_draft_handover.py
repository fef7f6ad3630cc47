"""`draft_handover`: against the reference, and bound against the real method of vLLM 0.32.0."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.draft_handover import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.draft_handover import HOOK, inputs
from syncfree.plugins.sync_free.draft_handover import draft_handover

from .support.outcome import outcome, same
from .support.vllm_releases import NEWEST, define, form_of

ROWS, WIDTH = 6, 2


def upload(data: Any, device: torch.device) -> torch.Tensor:
    """Return what vLLM's own `async_tensor_h2d` does."""
    tensor = torch.from_numpy(data)
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def both() -> tuple[Any, Any]:
    """Upstream's method, and the adapter's replacement."""
    name = "get_prev_sampled_outputs"
    namespace = {"torch": torch, "np": np, "async_tensor_h2d": upload}
    upstream = define(NEWEST, "v1.worker.gpu.pp_utils", [f"PPHandler.{name}"], namespace)[name]
    (compose,) = form_of(BINDING, NEWEST).compose or ()
    return upstream, compose(draft_handover, upstream)


def handler(requests: list[tuple[bool, bool]], device: str, drafts: bool = True) -> Any:
    """A handler with one entry: for each request whether it left since, and whether it needed what was sampled."""
    count = len(requests)
    rows = np.arange(ROWS, dtype=np.int32)[::-1][:count].copy()
    generation = np.zeros(ROWS, dtype=np.int32)
    generation[[row for row, (left, _) in zip(rows, requests, strict=True) if left]] += 1
    entry = SimpleNamespace(
        event=None,
        sampled_tokens=torch.arange(count, device=device),
        num_sampled=torch.ones(count, device=device),
        num_rejected=torch.zeros(count, device=device),
        idx_mapping=torch.from_numpy(rows).to(device),
        idx_mapping_np=rows,
        need_sampled_mask=np.array([needed for _, needed in requests]),
        gen_at_receive_np=np.zeros(count, dtype=np.int32),
        draft_tokens=torch.arange(count * WIDTH, device=device).view(count, WIDTH) if drafts else None,
    )
    stream = SimpleNamespace(wait_event=lambda event: None)
    return SimpleNamespace(queue=deque([entry]), req_idx_gen_np=generation, device=torch.device(device), main_stream=stream)


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(draft_handover, call), outcome(HOOK.reference, call))


REQUESTS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=ROWS)


@settings(max_examples=300, deadline=None)
@given(REQUESTS, st.booleans(), st.booleans())
def test_bound_it_does_what_upstream_does_or_leaves_the_step_to_it(
    requests: list[tuple[bool, bool]], drafts: bool, wanted: bool
) -> None:
    upstream, bound = both()
    mine, theirs = handler(requests, "cpu", drafts), handler(requests, "cpu", drafts)
    to_update = [torch.full((ROWS, WIDTH), -1) if wanted else None for _ in range(2)]
    kept = {needed and not left for left, needed in requests}
    found = bound(mine, to_update[0])
    if kept == {True, False} and drafts and wanted:
        assert same(found, upstream(theirs, to_update[1]))
        assert list(mine.queue) == list(theirs.queue) == [None]
        assert same(*to_update)
    else:
        assert found is NotImplemented
        assert len(mine.queue) == 1
        assert mine.queue[0] is not None


def test_an_empty_queue_and_a_step_without_an_entry_are_left_to_upstream() -> None:
    _, bound = both()
    for queue in (deque(), deque([None])):
        assert bound(SimpleNamespace(queue=queue), torch.zeros(1, 1)) is NotImplemented


ONE_LEFT = [(False, True), (True, True), (False, True)]


def on_cuda() -> tuple[Any, torch.Tensor]:
    return handler(ONE_LEFT, "cuda:0"), torch.full((ROWS, WIDTH), -1, device="cuda:0")


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait() -> None:
    with allow("made outside of the call"):
        arguments = on_cuda()
    both()[1](*arguments)
    with allow("the result is looked at"):
        assert arguments[1].tolist() == [[-1, -1]] * 3 + [[4, 5], [-1, -1], [0, 1]]


def test_upstream_waits_twice(sync_audit: Report) -> None:
    with allow("made outside of the call"):
        arguments = on_cuda()
    both()[0](*arguments)
    assert sync_audit.count == 2
