"""SGLang's Qwen-style rotary embedding as a function (Ideogram); Cosmos3 itself has fused ones in every release."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from .compiled_callers import COMPILED_CALLERS

if TYPE_CHECKING:
    import torch


def _compose(rotate: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def qwen3_apply_rotary_pos_emb(q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        if q.shape[-1] != k.shape[-1]:
            return NotImplemented
        return rotate(q, k, cos, sin)

    return qwen3_apply_rotary_pos_emb


BINDING = Binding(
    hook="rotary_embedding",
    targets=("sglang.multimodal_gen.runtime.layers.rotary_embedding.mrope:qwen3_apply_rotary_pos_emb",),
    forms=(Form(">=0.5.13", "upstreamed", "SGLang #27041; the tables are sliced twice", (_compose,)),),
    repeatable=True,
    same_call=True,
    note=COMPILED_CALLERS,
    in_compiled_code=True,
)
