"""`vae_decode` with one concatenation."""

from __future__ import annotations

from collections.abc import Callable

import torch


def vae_decode(
    decode_chunk: Callable[[int], torch.Tensor],
    chunks: int,
    finish: Callable[[torch.Tensor], torch.Tensor] | None,
) -> torch.Tensor:
    """Collect the chunks, put them together once (not at all when there is one), and clamp in place.

    What is clamped is this call's own: a chunk that nobody else holds, a concatenation, or a conversion of them.

    Source: SGLang #27041.
    """
    decoded = [decode_chunk(index) for index in range(chunks)]
    clip = torch.cat(decoded, 2) if chunks > 1 else decoded[0]
    if finish is not None:
        clip = finish(clip)
    return clip.float().clamp_(min=-1.0, max=1.0)
