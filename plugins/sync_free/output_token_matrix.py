"""``output_token_matrix`` that is kept on the device and sent only what changed since the last call.

Why the result is upstream's, bit for bit: a `_Matrix` knows, as Python lists of its own, what each of its rows holds on the
device. Every call compares these with the framework's lists, token by token over their whole lengths, and sends every
difference. Which list stands in which row, and what was done to it, is not asked: a row that another request took, a list
that shrank, and a placeholder that was replaced all show as different tokens. The comparison runs in C, and a token that
is still the same object is told by its address, so that it costs a fraction of a conversion.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import chain, compress
from operator import ne
from typing import Any

import numpy as np
import torch

_KEPT = 2
"""Matrices that a thread keeps. Speculative decoding asks twice per step, for the drafts and for the sampled tokens."""
_NARROW = 256
_REVISED = 16
"""So many tokens at the end of a list are looked at before its row is written anew: drafts and placeholders come and go."""


class _Thread(threading.local):
    """The matrices of one thread by what they fit, the last used one last."""

    def __init__(self) -> None:
        self.matrices: dict[Any, _Matrix] = {}


_THREAD = _Thread()


def output_token_matrix(output_token_ids: Sequence[list[int]], vocab_size: int, device: torch.device) -> torch.Tensor:
    """See the contract. Declines devices other than CPUs and CUDA GPUs, whose streams it does not know."""
    if device.type not in ("cpu", "cuda"):
        return NotImplemented  # type: ignore[no-any-return]
    rows, longest = len(output_token_ids), max(map(len, output_token_ids), default=0)
    if not longest:
        return torch.empty(rows, 0, dtype=torch.int64, device=device)
    # Of one stream: nothing else orders the writes of one call and the reads of another.
    stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
    bits = (rows - 1).bit_length()
    key = device, stream, vocab_size, bits
    # Taken out while it is worked on: what an error leaves half done is not used again.
    matrix = _THREAD.matrices.pop(key, None) or _Matrix(1 << bits, vocab_size, device)
    result = matrix.updated(output_token_ids, longest)
    _THREAD.matrices[key] = matrix
    if len(_THREAD.matrices) > _KEPT:
        del _THREAD.matrices[next(iter(_THREAD.matrices))]
    return result


class _Matrix:
    """``[rows, columns]`` int64 on the device, and what it holds: row r is ``held[r]`` and then padding."""

    def __init__(self, rows: int, padding: int, device: torch.device) -> None:
        self._held: list[list[int]] = [[] for _ in range(rows)]
        self._padding = padding
        self._device = device
        self._tokens = self._empty(_NARROW)

    def updated(self, lists: Sequence[list[int]], longest: int) -> torch.Tensor:
        """Make the first rows hold these lists; return a copy of that part. At most as many lists as there are rows."""
        columns = self._tokens.shape[1]
        if longest > columns or max(_NARROW, 4 * longest) < columns:
            self._resize(max(_NARROW, 2 * longest))
        firsts, written = self._differences(lists)
        values = list(chain.from_iterable(written))
        if len(values) * 8 > len(lists) * longest:
            self._write_all(lists, longest)
        elif values:
            self._write(firsts, list(map(len, written)), values)
        return self._tokens[: len(lists), :longest].clone()

    def _differences(self, lists: Sequence[list[int]]) -> tuple[list[int], list[list[int]]]:
        """Hold what the lists hold; return for each row from which column on it has to be written, and with what."""
        every = self._held[: len(lists)]
        firsts = list(map(len, every))
        written = [tokens[before:] for tokens, before in zip(lists, firsts, strict=True)]
        for held, new in zip(every, written, strict=True):
            held += new
        # Now most rows are right. Whole lists, in a loop in C: this is what a call costs.
        for row in compress(range(len(lists)), map(ne, every, lists)):
            held, tokens, before = every[row], lists[row], firsts[row]
            firsts[row] = first = _replace_end(held, tokens, before)
            written[row] = tokens[first:] + [self._padding] * (before - len(tokens))
        return firsts, written

    def _write(self, firsts: list[int], counts: list[int], values: list[int]) -> None:
        """Send what changed, in one copy, and put it in its places: in each row so many values from one column on."""
        count = len(values)
        # A fresh pinned block: PyTorch hands it out again only when the copies that read it are done.
        host = torch.empty(2, count, dtype=torch.int64, pin_memory=self._device.type == "cuda")
        positions, tokens = host.numpy()
        tokens[:] = values
        sizes = np.array(counts)
        starts = np.array(firsts) + np.arange(len(firsts)) * self._tokens.shape[1]
        positions[:] = np.repeat(starts - (sizes.cumsum() - sizes), sizes) + np.arange(count)
        where, what = host.to(self._device, non_blocking=True)
        self._tokens.view(-1).index_put_((where,), what)

    def _write_all(self, lists: Sequence[list[int]], longest: int) -> None:
        """Send all rows, because most of them changed."""
        pinned = self._device.type == "cuda"
        host = torch.full((len(lists), longest), self._padding, dtype=torch.int64, pin_memory=pinned)
        for row, tokens in zip(host.numpy(), lists, strict=True):
            row[: len(tokens)] = tokens
        self._tokens[: len(lists), :longest].copy_(host.to(self._device, non_blocking=True))
        self._tokens[: len(lists), longest:].fill_(self._padding)

    def _resize(self, columns: int) -> None:
        """Go on with wider or narrower rows that hold the same, or less where they no longer fit."""
        before = self._tokens
        self._tokens = self._empty(columns)
        kept = min(columns, before.shape[1])
        self._tokens[:, :kept] = before[:, :kept]
        for held in self._held:
            del held[columns:]

    def _empty(self, columns: int) -> torch.Tensor:
        # An inference tensor could not be written outside of inference mode.
        with torch.inference_mode(False):
            return torch.full((len(self._held), columns), self._padding, dtype=torch.int64, device=self._device)


def _replace_end(held: list[int], tokens: list[int], before: int) -> int:
    """Make a row of which the first ``before`` tokens were held equal to ``tokens``; return what is new from where on."""
    first = max(0, min(before, len(tokens)) - _REVISED)
    held[first:] = tokens[first:]
    if held != tokens:
        first = 0
        held[:] = tokens
    return first
