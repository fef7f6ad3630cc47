"""What is printed of a tensor in a dry run without values: what its memory holds.

torch chooses the format by operators whose results no kernel computes; it would read as many numbers as happen to be in memory.
"""

from __future__ import annotations

from typing import Any

import torch

_tensor_str: Any = torch._tensor_str
_PREFIX = "tensor("


def contents(tensor: torch.Tensor) -> str | None:
    """Return the numbers of a tensor of the device, copied to the host, as torch formats them there; None for other tensors."""
    is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    if not (is_plain and tensor.is_cuda and tensor.layout is torch.strided and not tensor.is_quantized and tensor.numel()):
        return None
    formatted: str = _tensor_str._tensor_str(tensor.detach().cpu(), len(_PREFIX))
    return formatted
