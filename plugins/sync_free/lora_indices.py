"""``lora_indices`` computed by NumPy and sent in one asynchronous copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def lora_indices(
    of_token: np.ndarray[Any, Any],
    of_prompt: np.ndarray[Any, Any],
    max_loras: int,
    scales: Sequence[int],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """See the contract. The results are views of one tensor.

    The pinned buffer is a fresh allocation: PyTorch's caching host allocator keeps it until the copy is done.
    """
    tokens, prompts, rows = len(of_token), len(of_prompt), len(scales)
    size = rows * tokens + tokens + 2 * prompts
    host = torch.empty(size, dtype=torch.int64, pin_memory=device.type == "cuda")
    values = host.numpy()
    values[:tokens] = of_token
    values[tokens : tokens + prompts] = of_prompt
    padded = np.where(of_prompt == -1, max_loras - 1, of_prompt).astype(np.int64)
    values[tokens + prompts : tokens + 2 * prompts] = padded * prompts + np.arange(prompts)
    slots = np.maximum(of_token, 0).astype(np.int64)
    np.multiply.outer(np.asarray(scales, np.int64), slots, out=values[-rows * tokens :].reshape(rows, tokens))
    base, sampler, sampler_padded, embeddings = host.to(device, non_blocking=True).split(
        [tokens, prompts, prompts, rows * tokens]
    )
    return base, sampler, sampler_padded, embeddings.view(rows, tokens)
