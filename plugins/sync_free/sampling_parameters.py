"""``sampling_parameters`` uploaded from pinned memory, in stream order."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def sampling_parameters(values: Sequence[float], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """See the contract. Declines devices other than CPUs and CUDA GPUs."""
    if device.type not in ("cpu", "cuda"):
        return NotImplemented  # type: ignore[no-any-return]
    host = torch.tensor(values, dtype=dtype, pin_memory=device.type == "cuda")
    return host.to(device, non_blocking=True)
