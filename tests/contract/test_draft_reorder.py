"""`draft_reorder`: against the reference, and bound against the real function of vLLM releases."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree.adapters.vllm.draft_reorder import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.draft_reorder import HOOK, inputs
from syncfree.plugins.sync_free.draft_reorder import draft_reorder

from .support.outcome import outcome, same
from .support.vllm_releases import RELEASES, define, form_of, upload

ROWS, WIDTH = 6, 5
FUNCTION = "update_ngram_gpu_tensors_incremental"


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def both(release: str) -> tuple[Any, Any]:
    namespace = {"torch": torch, "async_tensor_h2d": upload}
    vllm = define(release, "v1.spec_decode.ngram_proposer_gpu", [FUNCTION, "_sync_num_tokens"], namespace)
    (compose,) = form_of(BINDING, release).compose or ()
    return vllm[FUNCTION], compose(draft_reorder, vllm[FUNCTION])


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    """A batch before and after requests left, joined, moved and were resumed."""
    before = draw(st.none() | st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=ROWS))
    now = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=ROWS))
    return {"before": before, "now": now, "resumed": draw(st.lists(st.sampled_from(now or "a"), unique=True))}


def arguments(step: dict[str, Any], device: str) -> list[Any]:
    before, now = step["before"], step["now"]
    tokens = torch.arange(ROWS * WIDTH, dtype=torch.int32).view(ROWS, WIDTH)
    lengths = np.array([1 + row % WIDTH for row in range(ROWS)], dtype=np.int32)
    batch = SimpleNamespace(
        prev_req_id_to_index=None if before is None else {name: row for row, name in enumerate(before)},
        req_id_to_index={name: row for row, name in enumerate(now)},
        num_tokens_no_spec=lengths,
        num_tokens_no_spec_cpu_tensor=torch.from_numpy(lengths),
        token_ids_cpu_tensor=(1000 + tokens).pin_memory() if device == "cuda" else 1000 + tokens,
    )
    new = [name for name in now if before is None or name not in before or name in step["resumed"]]
    pinned = device == "cuda"
    return [
        batch,
        tokens.to(device),
        torch.full((ROWS,), 77, dtype=torch.int32, device=device),
        [SimpleNamespace(req_id=name) for name in new],
        torch.device(device),
        torch.empty(ROWS, dtype=torch.int64, pin_memory=pinned),
        torch.empty(ROWS, dtype=torch.int32, pin_memory=pinned),
    ]


@settings(max_examples=200, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    assert same(outcome(draft_reorder, call), outcome(HOOK.reference, call))


@pytest.mark.usefixtures("sync_audit")
def test_bound_it_is_equal_to_upstream(release: str) -> None:
    """On the simulated device, because later releases pin memory, which takes an accelerator."""
    upstream, bound = both(release)

    @settings(max_examples=100, deadline=None)
    @given(steps())
    def equal(step: dict[str, Any]) -> None:
        theirs, ours = arguments(step, "cuda"), arguments(step, "cuda")
        batch = copy.deepcopy(vars(ours[0]))
        assert bound(*ours) is upstream(*theirs) is None
        assert same(ours[1:3], theirs[1:3])
        assert repr(vars(ours[0])) == repr(batch)

    equal()


SWAP = {"before": ["a", "b", "c"], "now": ["b", "a"], "resumed": []}


@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait_for_rows_that_move(release: str) -> None:
    upstream, bound = both(release)
    with allow("made outside of the call"):
        ours, theirs = arguments(SWAP, "cuda"), arguments(SWAP, "cuda")
    bound(*ours)
    with allow("the result is compared"):
        upstream(*theirs)
        assert same(ours[1:3], theirs[1:3])


def test_upstream_waits_twice_when_rows_move_where_the_verdict_is_stalls(release: str, sync_audit: Report) -> None:
    upstream, _ = both(release)
    with allow("made outside of the call"):
        theirs = arguments(SWAP, "cuda")
    upstream(*theirs)
    assert sync_audit.count == (2 if form_of(BINDING, release).status == "stalls" else 0)
