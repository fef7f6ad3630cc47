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

    Several tensors are overlapped.

    Source: SGLang #24366; the overlap is #27143's, without a stream of its own.
    """
    if len(tensors) > 1 and not torch.compiler.is_compiling():
        return _overlapped(tensors, group)
    received = []
    for tensor in tensors:
        sent = tensor.contiguous()
        output = torch.empty_like(sent)
        dist.all_to_all_single(output, sent, group=group)
        received.append(output)
    return tuple(received)


def _overlapped(tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None) -> tuple[torch.Tensor, ...]:
    """Start each exchange as soon as its tensor is in order, and wait for all of them at the end.

    The back end runs them on its own stream, one for all layers, while this stream puts the next tensor in order. `wait`
    makes this stream wait, not the host, which is right under graph capture too.
    """
    received, works = [], []
    for tensor in tensors:
        sent = tensor.contiguous()
        output = torch.empty_like(sent)
        works.append(dist.all_to_all_single(output, sent, group=group, async_op=True))
        received.append(output)
    for work in works:
        work.wait()
    return tuple(received)
