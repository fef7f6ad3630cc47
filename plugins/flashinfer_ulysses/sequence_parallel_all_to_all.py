"""`sequence_parallel_all_to_all` through FlashInfer's ``UlyssesCommunicator``, which writes into the peers' memory over NVLink.

The communicator's ``scatter_heads`` takes ``[1, rows, size, block]`` to ``[1, size * rows, 1, block]``: of each row the block that is
meant for this rank, in the order of the ranks. A tensor of which the parts for the ranks lie inside of each row, as attention hands Q, K
and V over, is sent as it lies; every other one is put in that order first. Elements of any dtype travel as 32-bit words.
"""

from __future__ import annotations

from math import prod

import torch
import torch.distributed as dist

from ._communicators import Communicators

_COMMUNICATORS = Communicators()
_MOST_WORDS = 2**31 - 1
"""FlashInfer's kernel counts in int32."""


def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """See the contract. The first call of a group, and one that is larger than any before, makes a communicator.

    Declines, by shapes and dtypes, which are those of all ranks: empty tensors, those of one dim, those whose last dim is no whole
    number of 32-bit words, and those beyond the kernel's range; tensors that are not on a CUDA device; and what is traced, or captured
    in a CUDA graph.

    Raises:
        UlyssesUnavailableError: on all ranks, when these GPUs are not joined by NVLink in a way that FlashInfer supports.
    """
    size = dist.get_world_size(group)
    for tensor in tensors:
        if not tensor.dim() or tensor.shape[0] % size:
            raise ValueError(f"dim 0 of {tuple(tensor.shape)} cannot be split in {size} equal parts")
    if torch.compiler.is_compiling() or not all(map(_covered, tensors)):
        return NotImplemented  # type: ignore[no-any-return]
    if torch.cuda.is_current_stream_capturing():
        return NotImplemented  # type: ignore[no-any-return]
    if size == 1:
        return tuple(tensor.clone(memory_format=torch.contiguous_format) for tensor in tensors)
    largest = max(map(_words, tensors))
    scatter = _COMMUNICATORS.scatter_of(group or dist.group.WORLD, tensors[0].device, largest)
    return tuple(scatter(_in_rows(tensor, size)).view(tensor.dtype).view(tensor.shape) for tensor in tensors)


def _words(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size() // 4


def _covered(tensor: torch.Tensor) -> bool:
    whole = tensor.dim() > 1 and tensor.shape[-1] * tensor.element_size() % 4 == 0
    return tensor.is_cuda and whole and 0 < _words(tensor) <= _MOST_WORDS


def _in_rows(tensor: torch.Tensor, size: int) -> torch.Tensor:
    """Return the words of a tensor as ``[1, rows, size, block]``, contiguous: without a copy where they lie so already."""
    parts = tensor.unflatten(0, (size, -1))
    for at in range(1, parts.dim() - 1):
        rows = parts.movedim(0, at)
        if rows.is_contiguous():
            break
    else:
        at = parts.dim() - 2
        rows = parts.movedim(0, at).contiguous()
    words: torch.Tensor = rows.view(1, prod(rows.shape[:at]), size, -1).view(torch.float32)
    return words
