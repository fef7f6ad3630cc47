"""diffusers' ``randn_tensor`` where all that it does is to draw numbers like a tensor that is there."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import Any

RANDN_TENSOR = "diffusers.utils.torch_utils:randn_tensor"
"""The functions that a binding that draws this way depends on."""


def drawing(upstream: Callable[..., Any]) -> Callable[[Any, Any, Any], Any]:
    """Return a function of a tensor, a dtype and a generator, which draws as ``randn_tensor`` does with the tensor's shape and device.

    Without a generator it calls ``torch.randn_like``, which costs a third of the time and runs the same kernel on memory of the same
    layout: the same numbers, and as many drawn. It calls upstream's ``randn_tensor`` for what is not plain and contiguous, under
    modes, which would see another operator, and where somebody has exchanged ``randn_tensor`` or ``torch.randn``.

    Args:
        upstream: the step whose module draws.
    """
    import torch

    from syncfree.plugins.ordinary import is_ordinary

    names, like, randn, contiguous = upstream.__globals__, torch.randn_like, torch.randn, torch.contiguous_format
    known = names["randn_tensor"]
    code = known.__code__ if isinstance(known, FunctionType) else None
    is_upstreams = code is not None and code.co_name == "randn_tensor" and code.co_filename.endswith("torch_utils.py")
    is_torchs = type(randn) is BuiltinFunctionType and type(like) is BuiltinFunctionType
    function_modes, dispatch_modes = torch._C._len_torch_function_stack, torch._C._len_torch_dispatch_stack
    may_be_like = is_upstreams and is_torchs

    def draw(tensor: Any, dtype: Any, generator: Any) -> Any:
        draws = names["randn_tensor"]
        if generator is None and may_be_like and draws is known and torch.randn is randn:
            if is_ordinary(tensor) and tensor.dim() and tensor.is_contiguous() and not (function_modes() or dispatch_modes()):
                return like(tensor, dtype=dtype, memory_format=contiguous)
        return draws(tensor.shape, generator=generator, device=tensor.device, dtype=dtype)

    return draw
