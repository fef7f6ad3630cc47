"""`sequence_parallel_all_to_all` as one direct collective per tensor."""

from __future__ import annotations

import torch
import torch.distributed as dist


def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """Exchange each tensor with ``all_to_all_single`` into an output made beforehand.

    The functional collective that SGLang used up to 0.5.11 makes an asynchronous tensor, dispatches a second
    operator to wait for it, and registers it; the caller waits at once anyway. torch.compile traces this form
    too: it rewrites the in-place collective into the functional one.

    Source: SGLang #24366.
    """
    received = []
    for tensor in tensors:
        sent = tensor.contiguous()
        output = torch.empty_like(sent)
        dist.all_to_all_single(output, sent, group=group)
        received.append(output)
    return tuple(received)
