"""SGLang's overlapped exchange, ``turbo_layer.async_a2a_communicate``: one collective per tensor, pipelined on a side stream.

The replicated K/V prefix takes it on CUDA from 0.5.13 (SGLang #27143), the attention layer from 0.5.15 where a model asks for
it, and turbo attention in every release. It is upstream's fast form; an implementation that packs makes one collective of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from ..compiled_callers import COMPILED_CALLERS
from ._qkv import Exchange, Method

if TYPE_CHECKING:
    import torch


def _compose(exchange: Exchange, upstream: Method) -> Method:
    def async_a2a_communicate(
        a2a_inputs: torch.Tensor | list[torch.Tensor],
        cp_size: int,
        cp_group: Any,
        cp_stream: Any,
        local_seq_2_local_head: bool,
    ) -> Any:
        tensors = a2a_inputs if isinstance(a2a_inputs, list) else [a2a_inputs]
        split = 2 if local_seq_2_local_head else 1  # heads, or the sequence
        if any(x.ndim != 4 or x.shape[split] % cp_size for x in tensors):
            return NotImplemented
        received = exchange(tuple(x.unflatten(split, (cp_size, -1)).movedim(split, 0) for x in tensors), cp_group)
        if received is NotImplemented:
            return NotImplemented
        # Each is [size, b, s, h, d]: the ranks are joined along the dimension that was not split.
        joined = [x.movedim(0, 3 - split).flatten(3 - split, 4 - split) for x in received]
        return joined[0] if len(joined) == 1 else joined

    return async_a2a_communicate


BINDING = Binding(
    hook="sequence_parallel_all_to_all",
    targets=("sglang.multimodal_gen.runtime.layers.attention.turbo_layer:async_a2a_communicate",),
    forms=(Form(">=0.5.9", "upstreamed", "overlapped on a side stream", (_compose,)),),
    note=COMPILED_CALLERS,
    in_compiled_code=True,
)
