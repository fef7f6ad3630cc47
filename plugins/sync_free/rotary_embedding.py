"""`rotary_embedding` written half by half into the result."""

from __future__ import annotations

import torch


def rotary_embedding(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slice each half of the tables once for both tensors, and write each half of a result where it belongs.

    No negated copy, no concatenation. Upstream slices the tables anew for `k`.

    Source: SGLang #27041, with the change that its review asked for.
    """
    half = q.shape[-1] // 2
    cos1, cos2 = cos[..., :half], cos[..., half:]
    sin1, sin2 = sin[..., :half], sin[..., half:]
    rotated = []
    for x in (q, k):
        x1, x2 = x[..., :half], x[..., half:]
        result = torch.empty_like(x)
        result[..., :half] = x1 * cos1 - x2 * sin1
        result[..., half:] = x2 * cos2 + x1 * sin2
        rotated.append(result)
    return rotated[0], rotated[1]
