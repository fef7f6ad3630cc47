"""Contract of ``lora_indices``: for each token and each prompt of a batch, the slot of its LoRA adapter as index tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._hook import Hook, Tolerance, hookspec

if TYPE_CHECKING:
    import numpy as np
    import torch


@hookspec
def lora_indices(
    of_token: np.ndarray[Any, Any],
    of_prompt: np.ndarray[Any, Any],
    max_loras: int,
    scales: Sequence[int],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put a mapping that the host knows on the device.

    Args:
        of_token: ``[N]`` integers on the host, the slot of each token's adapter, or -1.
        of_prompt: ``[M]`` integers, the same for each prompt.
        max_loras: how many slots there are.
        scales: by what to multiply the slots for each row of the last result.
        device: where the results are needed.

    Returns:
        ``of_token``; ``of_prompt``; its values with ``max_loras - 1`` for -1, times M, plus 0 to M - 1; and
        ``[len(scales), N]`` multiples of ``of_token`` with 0 for -1. All int64.

    Raises:
        Nothing.

    Mutates:
        Nothing.

    Source:
        vLLM ``lora/punica_wrapper/utils.py``: two blocking uploads to 0.21.0, loops over all tokens in all that were read.
    """
    # The reference: uploads, and arithmetic on the device, as in vLLM.
    import torch

    tokens = torch.tensor(of_token, dtype=torch.int64, device=device)
    prompts = torch.tensor(of_prompt, dtype=torch.int64, device=device)
    count = len(prompts)
    padded = torch.where(prompts == -1, max_loras - 1, prompts) * count + torch.arange(count, device=device)
    embeddings = torch.stack([tokens.clamp(min=0) * scale for scale in scales])
    return tokens, prompts, padded, embeddings


def inputs() -> Any:
    """Generate batches with some, all or no tokens that have an adapter."""
    import numpy as np
    import torch
    from hypothesis import strategies as st

    @st.composite
    def call(draw: st.DrawFn) -> dict[str, object]:
        slots = draw(st.integers(1, 6))
        of_one = st.lists(st.integers(-1, slots - 1), min_size=1, max_size=20)
        return {
            "of_token": np.array(draw(of_one), np.int16),
            "of_prompt": np.array(draw(of_one), np.int16),
            "max_loras": slots,
            "scales": draw(st.lists(st.integers(0, 200_000), min_size=1, max_size=2)),
            "device": torch.device("cpu"),
        }

    return call()


HOOK = Hook(
    name="lora_indices",
    spec=lora_indices,
    reference=lora_indices,
    inputs=inputs,
    tolerance=Tolerance(0.0, 0.0, "integers are multiplied and added"),
    summary="slots of LoRA adapters as index tensors, computed on the host and sent in one upload",
)
