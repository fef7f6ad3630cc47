"""`sequence_parallel_all_to_all` as one collective for all tensors of a call."""

from __future__ import annotations

import torch
import torch.distributed as dist

from syncfree.plugins.sync_free.sequence_parallel_all_to_all import sequence_parallel_all_to_all as one_by_one


def sequence_parallel_all_to_all(
    tensors: tuple[torch.Tensor, ...], group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, ...]:
    """Put what goes to one rank side by side, exchange once, and take the parts out again.

    An all-to-all moves bytes and computes nothing, so packing changes where they lie while they travel and nothing else.
    The copies into and out of the packed buffer are made on the device; a tensor that is a permuted view is packed in the
    same copy. Declines tensors of several dtypes or devices.
    """
    if len(tensors) == 1:
        return one_by_one(tensors, group)
    first = tensors[0]
    if any(tensor.dtype != first.dtype or tensor.device != first.device for tensor in tensors):
        return NotImplemented  # type: ignore[no-any-return]
    size = dist.get_world_size(group)
    for tensor in tensors:
        if tensor.shape[0] % size:
            raise ValueError(f"dim 0 of {tuple(tensor.shape)} cannot be split in {size} equal parts")
    widths = [tensor.numel() // size for tensor in tensors]
    sent = first.new_empty((size, sum(widths)))
    for columns, tensor in zip(sent.split(widths, dim=1), tensors, strict=True):
        parts = tensor.unflatten(0, (size, -1))
        columns.view(parts.shape).copy_(parts)
    received = torch.empty_like(sent)
    dist.all_to_all_single(received, sent, group=group)
    # A reshape alone would be a view into the packed buffer where dim 0 is the number of ranks.
    return tuple(
        columns.reshape(tensor.shape).contiguous()
        for columns, tensor in zip(received.split(widths, dim=1), tensors, strict=True)
    )
