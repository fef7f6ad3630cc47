"""Test only: `all_gatherv` and `reduce_scatterv` for vLLM's CPU communicator, which raises NotImplementedError there."""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Entry point of ``vllm.general_plugins``: run in every process of an engine."""
    import torch
    import torch.distributed as dist
    from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator

    def all_gatherv(self: Any, tensors: Any, dim: int = 0, sizes: list[int] | None = None) -> Any:
        if isinstance(tensors, list | tuple):
            return [all_gatherv(self, tensor, dim, sizes) for tensor in tensors]
        sizes = sizes or [tensors.shape[0]] * self.world_size
        padded = tensors.new_zeros((max(sizes), *tensors.shape[1:]))
        padded[: tensors.shape[0]] = tensors
        gathered = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(gathered, padded, group=self.device_group)
        return torch.cat([part[:size] for part, size in zip(gathered, sizes, strict=True)])

    def reduce_scatterv(self: Any, tensor: Any, dim: int = -1, sizes: list[int] | None = None) -> Any:
        sizes = sizes or [tensor.shape[0] // self.world_size] * self.world_size
        total = tensor.clone()
        dist.all_reduce(total, group=self.device_group)
        start = sum(sizes[: self.rank_in_group])
        return total[start : start + sizes[self.rank_in_group]].contiguous()

    CpuCommunicator.all_gatherv = all_gatherv
    CpuCommunicator.reduce_scatterv = reduce_scatterv
