"""The body of vLLM's selective scan of Mamba 1: token by token, in float32, with its kernel's blocks of cached states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from .._cpu_body import cpu_body


@cpu_body("_C::selective_scan_fwd")
def _selective_scan(
    u: Any,
    delta: Any,
    a: Any,
    b: Any,
    c: Any,
    d: Any,
    z: Any,
    delta_bias: Any,
    delta_softplus: bool,
    query_start_loc: Any,
    cache_indices: Any,
    has_initial_state: Any,
    ssm_states: Any,
    null_block_id: int,
    block_size: int = 1024,
    first_block: Any = None,
    last_block: Any = None,
    initial_block: Any = None,
    cu_chunk_seqlen: Any = None,
    last_chunk_indices: Any = None,
) -> None:
    """Scan each sequence; write the result into `delta`, the gated one into `z`, and the states into `ssm_states`.

    Args:
        u, delta, z: ``[dim, tokens]`` with `query_start_loc`, ``[batch, dim, tokens]`` without.
        a: ``[dim, dstate]``.
        b, c: ``[groups, dstate, tokens]`` or ``[batch, groups, dstate, tokens]``.
        d, delta_bias: ``[dim]``, or None.
        query_start_loc: ``[batch + 1]``, where each sequence begins.
        cache_indices: ``[batch]``, the state of each sequence; with `initial_block` ``[batch, blocks]``, one for each block of tokens.
        ssm_states: ``[slots, dim, dstate]``.
        block_size, first_block, last_block, initial_block, cu_chunk_seqlen, last_chunk_indices: of the cache of prefixes.
    """
    batch = len(u) if query_start_loc is None else len(query_start_loc) - 1
    for index in range(batch):
        of: tuple[Any, ...]
        if query_start_loc is None:
            of = tuple(None if x is None else x[index] for x in (u, delta, b, c, z))
        else:
            begin, end = query_start_loc[index : index + 2].tolist()
            of = tuple(None if x is None else x[..., begin:end] for x in (u, delta, b, c, z))
        slots = torch.tensor([index]) if cache_indices is None else cache_indices[index].reshape(-1)
        initial = slots[0 if initial_block is None else int(initial_block[index])]
        if cache_indices is not None and initial == null_block_id:
            continue  # padding
        started = has_initial_state is not None and bool(has_initial_state[index])
        state = ssm_states[initial].float() if started else torch.zeros(ssm_states.shape[1:])
        if initial_block is None:
            blocks = iter([(of[0].shape[-1], 0)])
        else:
            sizes = _chunks(index, of[0].shape[-1], block_size, cu_chunk_seqlen, last_chunk_indices)
            blocks = _blocks(sizes, block_size, 0 if cu_chunk_seqlen is None else int(first_block[index]), int(last_block[index]))
        position = 0
        for size, block in blocks:
            here = tuple(None if x is None else x[..., position : position + size] for x in of)
            state = _scan(state, *here, a=a.float(), d=d, bias=delta_bias, softplus=delta_softplus)
            ssm_states[slots[block]] = state.to(ssm_states.dtype)
            position += size


def _scan(state: Any, u: Any, delta: Any, b: Any, c: Any, z: Any, *, a: Any, d: Any, bias: Any, softplus: bool) -> Any:
    """Scan the tokens of one block; return the state after them."""
    step = delta.float() if bias is None else delta.float() + bias.unsqueeze(1)
    if softplus:
        step = torch.nn.functional.softplus(step)
    b, c = (x.float().repeat_interleave(len(a) // len(x), 0) for x in (b, c))
    found = torch.empty(u.shape)
    for token in range(u.shape[-1]):
        now = step[:, token].unsqueeze(1)
        state = torch.exp(now * a) * state + now * b[..., token] * u[:, token].float().unsqueeze(1)
        found[:, token] = (state * c[..., token]).sum(-1)
    if d is not None:
        found += d.unsqueeze(1) * u.float()
    delta.copy_(found)
    if z is not None:
        z.copy_(found * torch.nn.functional.silu(z.float()))
    return state


def _chunks(index: int, tokens: int, block_size: int, cu_chunk_seqlen: Any, last_chunk_indices: Any) -> list[int]:
    """Return how many tokens there are in each of a sequence's chunks, after each of which its state is kept."""
    if cu_chunk_seqlen is None:
        return [min(block_size, tokens - begin) for begin in range(0, tokens, block_size)]
    first = 0 if index == 0 else int(last_chunk_indices[index - 1]) + 1
    ends = cu_chunk_seqlen[first : int(last_chunk_indices[index]) + 2]
    return list(ends.diff().tolist())


def _blocks(sizes: list[int], block_size: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the size of each chunk and the block whose state it ends with."""
    offset = block_size - sizes[0] if len(sizes) > 1 and sizes[0] < block_size else 0  # of a block that has tokens already
    position = first * block_size + offset
    for number, size in enumerate(sizes):
        position += size
        yield size, last if number == len(sizes) - 1 else (position - 1) // block_size
