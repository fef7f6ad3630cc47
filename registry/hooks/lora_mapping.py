"""Contract of ``lora_mapping``: which tokens of a batch belong to which LoRA adapter, laid out for the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True, slots=True)
class LoRATensors:
    """The tensors that LoRA kernels read: int32 tensors on one device, for at most N tokens and L adapters.

    Attributes:
        adapter_of_token: ``[N]``, -1 for a token without an adapter.
        tokens_by_adapter: ``[N]``, token positions sorted by adapter, in order within one adapter.
        adapters: ``[L + 1]``, the different values of ``adapter_of_token`` in ascending order, then -1.
        counts: ``[L + 1]``, tokens of each of ``adapters``, then 0.
        starts: ``[L + 2]``, 0 and the running sum of ``counts``, then 0.
    """

    adapter_of_token: torch.Tensor
    tokens_by_adapter: torch.Tensor
    adapters: torch.Tensor
    counts: torch.Tensor
    starts: torch.Tensor


@hookspec
def lora_mapping(adapter_of_token: Sequence[int] | np.ndarray[Any, Any], tensors: LoRATensors) -> int:
    """Write the mapping of a step into the tensors that captured graphs read.

    When no token has an adapter, ``adapters``, ``counts`` and ``starts`` are reset and the others are left as they are.
    Positions past the last token are left as they are. An implementation must not decline.

    Args:
        adapter_of_token: host integers, as a list or a NumPy array ``[n]``: the adapter's slot 0 to L - 1 of each token, or -1;
            one token or more, at most N.
        tensors: int32 ``[N]``, ``[L + 1]`` and ``[L + 2]``; see `LoRATensors`.

    Returns:
        How many entries of ``adapters`` are in use; 0 when no token has an adapter.

    Raises:
        Nothing.

    Mutates:
        ``tensors``, in place.

    Source:
        vLLM ``lora/ops/triton_ops/lora_kernel_metadata.py``, in every release that was read.
    """
    # The reference: sorted and counted on the device, as in vLLM.
    import torch

    mapping = torch.tensor(adapter_of_token, dtype=torch.long, device=tensors.counts.device)
    tensors.adapters.fill_(-1)
    tensors.counts.fill_(0)
    tensors.starts.fill_(0)
    if torch.all(mapping == -1):
        return 0
    count = mapping.size(0)
    tensors.adapter_of_token[:count].copy_(mapping)
    tensors.tokens_by_adapter[:count].copy_(torch.sort(mapping, stable=True).indices)
    adapters, counts = torch.unique(mapping, sorted=True, return_counts=True)
    used = int(adapters.size(0))
    tensors.adapters[:used].copy_(adapters)
    tensors.counts[:used].copy_(counts)
    tensors.starts[1 : 1 + used].copy_(torch.cumsum(counts, dim=0))
    return used


def inputs() -> Any:
    """Generate batches with some, all or no tokens that have an adapter, over tensors that an earlier step has filled."""
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        adapters, room = draw(st.integers(1, 6)), draw(st.integers(1, 40))
        slot = draw(st.sampled_from([st.integers(-1, adapters - 1), st.just(-1), st.integers(0, adapters - 1)]))
        sizes = (room, room, adapters + 1, adapters + 1, adapters + 2)
        return {
            "adapter_of_token": draw(st.lists(slot, min_size=1, max_size=room)),
            "tensors": LoRATensors(*(torch.full((size,), 77, dtype=torch.int32) for size in sizes)),
        }

    return call()


HOOK = Hook(
    name="lora_mapping",
    spec=lora_mapping,
    reference=lora_mapping,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are sorted and counted"),
    summary="tokens sorted by LoRA adapter on the host, which knows the mapping, and uploaded without waiting",
    pure=False,
    writes=("tensors",),
)
