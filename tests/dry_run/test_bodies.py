"""Bodies of vLLM's operators compute what their formulas say, called as the operators are, with tensors of the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from syncfree.audit import dry_run

SCAN = (
    "selective_scan_fwd(Tensor! u, Tensor! delta, Tensor! A, Tensor! B, Tensor! C, Tensor? D, Tensor!? z, Tensor? delta_bias, "
    "bool delta_softplus, Tensor? query_start_loc, Tensor? cache_indices, Tensor? has_initial_state, Tensor! ssm_states, "
    "int null_block_id, int block_size, Tensor? first, Tensor? last, Tensor? initial, Tensor? chunks, Tensor? last_chunks) -> ()"
)
"""The schema in vLLM 0.32.0."""
DIM, STATE, SLOTS = 4, 3, 8
LENGTHS = (5, 1, 9)


@pytest.fixture(autouse=True)
def values() -> Iterator[dry_run.Values]:
    with dry_run.Values() as mode:
        yield mode
    assert mode.missing == {}


@pytest.fixture(scope="module", autouse=True)
def scan_operator() -> Iterator[torch.library.Library]:
    """vLLM's operator with a kernel that does nothing, as a CUDA kernel does here."""
    library = torch.library.Library("_C", "FRAGMENT")
    library.define(SCAN)
    library.impl("selective_scan_fwd", lambda *_: None, "CUDA")
    yield library
    library._destroy()


def operands() -> dict[str, Any]:
    """Sequences of `LENGTHS` tokens in one row, on the host, in float64."""
    torch.manual_seed(0)
    tokens = sum(LENGTHS)
    draw = {name: torch.randn(shape, dtype=torch.float64) for name, shape in {
        "u": (DIM, tokens), "delta": (DIM, tokens), "b": (2, STATE, tokens), "c": (2, STATE, tokens), "z": (DIM, tokens),
        "d": (DIM,), "bias": (DIM,), "states": (SLOTS, DIM, STATE),
    }.items()}  # fmt: skip
    return {**draw, "a": -torch.rand(DIM, STATE, dtype=torch.float64)}


def closed_form(of: dict[str, Any], begin: int, end: int, before: Any) -> tuple[Any, Any]:
    """Return what a sequence's tokens give, and its last state: each state is a weighted sum over all tokens before it."""
    u, z = of["u"][:, begin:end], of["z"][:, begin:end]
    b, c = (of[name][..., begin:end].repeat_interleave(DIM // 2, 0) for name in ("b", "c"))
    step = torch.nn.functional.softplus(of["delta"][:, begin:end] + of["bias"][:, None])
    passed = step.cumsum(-1)
    apart = passed[:, :, None] - passed[:, None, :]
    weights = torch.exp(apart[:, None] * of["a"][:, :, None, None]).tril()
    states = torch.einsum("dnts,ds,dns,ds->dnt", weights, step, b, u)
    states += torch.exp(passed[:, None] * of["a"][..., None]) * before[..., None]
    found = torch.einsum("dnt,dnt->dt", states, c) + of["d"][:, None] * u
    return found * torch.nn.functional.silu(z), states[..., -1]


def scanned(of: dict[str, Any], *rest: Any) -> tuple[Any, Any]:
    """Return what vLLM's operator writes into z and into the states."""
    device = {name: value.float().cuda() for name, value in of.items()}
    starts = torch.tensor([0, *torch.tensor(LENGTHS).cumsum(0).tolist()], dtype=torch.int32, device="cuda")
    of_sequence = (device["a"], device["b"], device["c"], device["d"], device["z"], device["bias"])
    torch.ops._C.selective_scan_fwd(device["u"], device["delta"], *of_sequence, True, starts, *rest[:2], device["states"], 0, *rest[2:])
    return device["z"].cpu().double(), device["states"].cpu().double()


def test_a_selective_scan_is_its_closed_form() -> None:
    of = operands()
    slots, started = torch.tensor([3, 5, 1], dtype=torch.int32), torch.tensor([True, False, True])
    found, states = scanned(of, slots.cuda(), started.cuda(), 1024, None, None, None, None, None)
    begin = 0
    for length, slot, has_state in zip(LENGTHS, slots.tolist(), started.tolist(), strict=True):
        before = of["states"][slot] if has_state else torch.zeros(DIM, STATE, dtype=torch.float64)
        expected, last = closed_form(of, begin, begin + length, before)
        torch.testing.assert_close(found[:, begin : begin + length], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(states[slot], last, rtol=1e-4, atol=1e-5)
        begin += length
    assert torch.equal(states[[0, 2, 4, 6, 7]], of["states"][[0, 2, 4, 6, 7]].float().double())


def test_a_selective_scan_leaves_padding_as_it_is() -> None:
    of = operands()
    found, _ = scanned(of, torch.tensor([3, 0, 1], dtype=torch.int32).cuda(), None, 1024, None, None, None, None, None)
    assert torch.equal(found[:, 5:6], of["z"][:, 5:6].float().double())
    assert not torch.equal(found[:, :5], of["z"][:, :5].float().double())


def test_a_selective_scan_keeps_the_state_after_each_block_of_a_cached_prefix() -> None:
    """Blocks of 4 tokens; the first sequence begins after one token of its second block and ends in its third."""
    of = operands()
    slots = torch.tensor([[0, 2, 3], [4, 0, 0], [5, 6, 7]], dtype=torch.int32)
    started = torch.tensor([True, False, False])
    first, last, initial = (torch.tensor(x, dtype=torch.int32) for x in ([1, 0, 0], [2, 0, 2], [1, 0, 0]))
    chunks, last_chunks = torch.tensor([0, 3, 5, 6, 10, 14, 15]), torch.tensor([1, 2, 5])
    index = (x.int().cuda() for x in (first, last, initial, chunks, last_chunks))
    found, states = scanned(of, slots.cuda(), started.cuda(), 4, *index)
    none = torch.zeros(DIM, STATE, dtype=torch.float64)
    for begin, ends, before in ((0, {3: 2, 5: 3}, of["states"][2]), (5, {6: 4}, none), (6, {10: 5, 14: 6, 15: 7}, none)):
        for end, slot in ends.items():
            expected, state = closed_form(of, begin, end, before)
            torch.testing.assert_close(states[slot], state, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[:, begin:end], expected, rtol=1e-4, atol=1e-5)
