"""FlashInfer's ``UlyssesCommunicator`` as its documentation describes it, over Gloo; and what ranks do with our plugin over it.

It refuses what the real one of 0.7.2.post1 refuses. Neither its kernel nor NVLink is in this: it says nothing of either.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.distributed as dist

from syncfree._difference import difference
from syncfree.audit import allow, audit
from syncfree.hooks.sequence_parallel_all_to_all import HOOK


class UlyssesCommunicator:
    """The interface that the plugin uses, with the documented checks."""

    has_nvlink = True
    made: list[UlyssesCommunicator] = []  # noqa: RUF012, the process's

    def __init__(
        self, group: Any = None, *, max_elems: int, dtype: torch.dtype, backend: str = "auto", device: Any = None
    ) -> None:
        self.group, self.max_elems, self.dtype, self.device = group, max_elems, dtype, torch.device(device)
        self.world_size = dist.get_world_size(group)
        requests: list[Any] = [None] * self.world_size
        dist.all_gather_object(requests, (backend, max_elems, str(dtype)), group=group)
        assert set(requests) == {("nvlink", max_elems, "torch.float32")}, requests
        assert 0 < max_elems <= 2**31 - 1
        if not self.has_nvlink or self.world_size not in (2, 4, 6, 8):
            raise RuntimeError("backend='nvlink' requested but rank 0 and rank 1 are not joined by NVLink")
        self.closed, self.calls = False, 0
        self.made.append(self)

    def scatter_heads(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, S_local, H, D]`` to ``[B, S_global, H_local, D]``."""
        assert not self.closed
        assert (x.is_cuda, x.dim(), x.is_contiguous(), x.dtype) == (True, 4, True, self.dtype)
        assert 0 < x.numel() <= self.max_elems
        assert x.shape[2] % self.world_size == 0
        self.calls += 1
        b, s, h, d = x.shape
        with allow("the stand-in exchanges on the host"):
            sent = x.cpu().reshape(b, s, self.world_size, -1, d).permute(2, 0, 1, 3, 4).contiguous()
            received = torch.empty_like(sent)
            dist.all_to_all_single(received, sent, group=self.group)
            return received.permute(1, 0, 2, 3, 4).reshape(b, self.world_size * s, h // self.world_size, d).to("cuda")

    def close(self) -> None:
        """Collective."""
        dist.barrier(self.group)
        self.closed = True


@cache
def plugin() -> Any:
    """Our plugin's function over the stand-in."""
    for name in ("flashinfer", "flashinfer.comm"):
        sys.modules[name] = ModuleType(name)
    sys.modules["flashinfer.comm"].UlyssesCommunicator = UlyssesCommunicator  # type: ignore[attr-defined]
    from syncfree.plugins.flashinfer_ulysses.sequence_parallel_all_to_all import sequence_parallel_all_to_all

    return sequence_parallel_all_to_all


def agrees(tensors: tuple[torch.Tensor, ...]) -> str | None:
    """Return how the exchange of tensors on the simulated device differs from the reference's; "declined" where it declined."""
    mine = tuple(tensor + dist.get_rank() for tensor in tensors)
    expected = HOOK.reference(mine, None)
    with audit():
        exchange = plugin()
        with allow("the arguments are uploaded"):
            on_device = tuple(torch.empty_like(one, device="cuda").copy_(one) for one in mine)
            strides = [one.stride() for one in on_device]
        assert strides == [one.stride() for one in mine]
        found = exchange(on_device, None)
        if found is NotImplemented:
            return "declined"
        with allow("the results are compared"):
            if not all(one.is_contiguous() for one in found):
                return "not contiguous"
            changed = difference(tuple(one.cpu() for one in on_device), mine, None, "an argument")
            return changed or difference(tuple(one.cpu() for one in found), expected, None)


def waits_of_the_second_call(tensor: torch.Tensor) -> int:
    """Return how often a call makes the host wait when its communicator is there."""
    with audit() as report:
        exchange = plugin()
        with allow("the first call makes the communicator"):
            on_device = tensor.to("cuda")
            exchange((on_device,), None)
        before = report.count
        exchange((on_device, on_device, on_device), None)
        return report.count - before


def communicators_of(*words: int) -> list[tuple[int, bool, int]]:
    """Exchange so many words, call by call, in a new group: capacities, whether closed, and calls of the communicators made."""
    group = dist.new_group(backend="gloo")
    with audit():
        exchange = plugin()
        UlyssesCommunicator.made.clear()
        for count in words:
            with allow("the arguments are made"):
                tensor = torch.zeros(dist.get_world_size(), count // dist.get_world_size()).to("cuda")
            exchange((tensor,), group)
    return [(one.max_elems, one.closed, one.calls) for one in UlyssesCommunicator.made]


def error_without_nvlink() -> str:
    """Return the error where GPUs are not joined."""
    group = dist.new_group(backend="gloo")
    UlyssesCommunicator.has_nvlink = False
    try:
        with audit():
            plugin()((torch.zeros(4, 2, device="cuda"),), group)
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        UlyssesCommunicator.has_nvlink = True
    return ""
