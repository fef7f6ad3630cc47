"""`stop_token_mask`: against the reference, and bound against the real processor of vLLM."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from syncfree._difference import difference
from syncfree.adapters.vllm.stop_token_mask import BINDING
from syncfree.audit import Report, allow
from syncfree.hooks.stop_token_mask import HOOK, inputs
from syncfree.plugins.sync_free.stop_token_mask import stop_token_mask

from .support.outcome import outcome
from .support.vllm_releases import NEWEST, define, form_of


@settings(max_examples=500, deadline=None)
@given(inputs())
def test_equal_to_the_reference(call: dict[str, Any]) -> None:
    mine, theirs = outcome(stop_token_mask, call), outcome(HOOK.reference, call)
    assert difference(mine, theirs, None) is None


class Request(NamedTuple):
    """A request of the batch: its stop tokens, how many drafts are masked for it, and whether its output is structured."""

    stop_tokens: set[int]
    drafts: int
    structured: bool


@cache
def processor_class(bound: bool) -> Any:
    """The real processor of vLLM, with its own method or ours."""
    namespace: dict[str, Any] = {"torch": torch, "np": np, "LogitsProcessor": object, "async_tensor_h2d": upload}
    define(NEWEST, "v1.sample.logits_processor.builtin", ["MinTokensLogitsProcessor", "process_dict_updates"], namespace)
    owner = namespace["MinTokensLogitsProcessor"]
    if bound:
        (compose,) = form_of(BINDING, NEWEST).compose or ()
        owner._mask_stop_token_logits = compose(stop_token_mask, owner._mask_stop_token_logits)
    return owner


def processor(requests: list[Request], device: str, bound: bool) -> Any:
    """A processor with the state that these requests bring."""
    own = processor_class(bound)(None, torch.device(device), False)
    added = [
        (row, SimpleNamespace(min_tokens=9, all_stop_token_ids=one.stop_tokens, structured_outputs=one.structured or None), [], [])
        for row, one in enumerate(requests)
    ]
    own.update_state(SimpleNamespace(added=added, removed=[], moved=[]))
    return own


def upload(data: Any, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    return torch.as_tensor(data, dtype=dtype).to(device)


COLUMNS = 4
REQUESTS = st.lists(st.builds(Request, st.sets(st.integers(0, COLUMNS - 1)), st.integers(0, 2), st.booleans()), min_size=1, max_size=9)
LEFT = st.sampled_from([float("-inf"), float("-inf"), float("nan"), 0.0, 1.5])


@settings(max_examples=300, deadline=None)
@given(REQUESTS, st.data(), st.booleans())
def test_bound_it_leaves_what_upstream_leaves(requests: list[Request], data: st.DataObject, drafts: bool) -> None:
    rows = sum(one.drafts for one in requests) if drafts else len(requests)
    logits = torch.tensor(data.draw(st.lists(LEFT, min_size=rows * COLUMNS, max_size=rows * COLUMNS))).view(rows, COLUMNS)
    results = []
    for bound in (False, True):
        own = processor(requests, "cpu", bound)
        given_logits = logits.clone()
        arguments = (given_logits, [one.drafts for one in requests]) if drafts else (given_logits,)
        results.append((own.apply_with_spec_decode if drafts else own.apply)(*arguments))
    assert difference(results[1], results[0], None) is None


class Moved(TorchDispatchMode):
    """Counts the elements of whole rows of logits that operators read and write; a selection reads what it writes."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns, self.elements = columns, 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        selects = operator.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_select)
        whole = [one.numel() for one in (*args, result) if isinstance(one, torch.Tensor) and one.shape[-1:] == (self.columns,)]
        if operator.overloadpacket != torch.ops.aten.index_put_:  # which writes single elements
            self.elements += 2 * sum(whole[1:]) if selects else sum(whole)
        return result


@pytest.mark.parametrize("drafts", [False, True], ids=["tokens", "drafts"])
@pytest.mark.parametrize(("structured", "batch"), [(1, 1), (1, 3), (1, 4), (2, 64), (16, 64), (32, 64), (64, 64)])
def test_no_more_of_the_vocabulary_is_moved_than_by_upstream(structured: int, batch: int, drafts: bool) -> None:
    """Upstream copies each distinct row, and then looks at it twice; each request has eight stop tokens."""
    columns = 1000
    requests = [Request(set(range(8)), 1, row < structured) for row in range(batch)]
    moved = []
    for bound in (False, True):
        own, logits = processor(requests, "cpu", bound), torch.zeros(batch, columns)
        with Moved(columns) as counted:
            own.apply_with_spec_decode(logits, [1] * batch) if drafts else own.apply(logits)
        moved.append(counted.elements)
    assert moved[1] == min(3 * structured, batch) * columns
    assert moved[1] < moved[0]


class Operators(TorchDispatchMode):
    """Counts the operators that are called."""

    number = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += 1
        return operator(*args, **(kwargs or {}))


def test_few_rows_with_one_stop_token_each_take_no_more_operators_than_all_rows() -> None:
    """There is nothing to number then."""
    numbers = []
    for batch in (1, 9):
        own, logits = processor([Request({1}, 1, row == 0) for row in range(batch)], "cpu", bound=True), torch.zeros(batch, COLUMNS)
        with Operators() as counted:
            own.apply(logits)
        numbers.append(counted.number)
    assert numbers[0] == numbers[1] > 0


def on_cuda(batch: int, bound: bool) -> tuple[Any, torch.Tensor]:
    """Two requests whose second tokens stop, of which the second has no other token left, and others without."""
    structured = [Request({1}, 1, True) for _ in range(2)]
    rows = [[1.0, 2.0, 3.0], [float("-inf"), 5.0, float("-inf")], *[[0.0] * 3 for _ in range(batch - 2)]]
    return processor([*structured, *[Request(set(), 1, False)] * (batch - 2)], "cuda", bound), torch.tensor(rows).to("cuda")


@pytest.mark.parametrize("batch", [2, 9], ids=["all rows", "few of the rows"])
@pytest.mark.sync_budget(0, poison=True)
def test_bound_it_never_makes_the_host_wait(batch: int) -> None:
    with allow("made outside of the call"):
        own, logits = on_cuda(batch, bound=True)
    own.apply(logits)
    with allow("the result is looked at"):
        assert logits.tolist()[:2] == [[1.0, float("-inf"), 3.0], [float("-inf"), 5.0, float("-inf")]]


def test_upstream_waits_for_the_size_of_every_selection(sync_audit: Report) -> None:
    with allow("made outside of the call"):
        own, logits = on_cuda(2, bound=False)
    own.apply(logits)
    assert sync_audit.count >= 4
