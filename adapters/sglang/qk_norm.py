"""Cosmos3's cross attention, split path: SGLang's one call for both norms, and then the rotary embedding.

The two ``F.rms_norm`` that #27041 replaced are in no release. Those of its causal attention stand in the middle of a
``forward`` and stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

from .compiled_callers import COMPILED_CALLERS

_COSMOS3 = "sglang.multimodal_gen.runtime.models.dits.cosmos3video"
_LAYERNORM = "sglang.multimodal_gen.runtime.layers.layernorm"


def _compose(qk_norm: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    module = upstream.__globals__

    def _apply_qwen3_qk_norm_rope_split(q: Any, k: Any, q_norm: Any, k_norm: Any, head_dim: Any, cos_sin_cache: Any) -> Any:
        def fused(q: Any, k: Any, q_weight: Any, k_weight: Any, eps: float) -> Any:
            return module["apply_qk_norm"](q, k, q_norm, k_norm, head_dim)

        if q_norm.variance_epsilon != k_norm.variance_epsilon:
            return NotImplemented
        q, k = qk_norm(q, k, q_norm.weight, k_norm.weight, q_norm.variance_epsilon, fused)
        return module["_apply_qwen3_rope_from_cache"](q, k, cos_sin_cache)

    return _apply_qwen3_qk_norm_rope_split


BINDING = Binding(
    hook="qk_norm",
    targets=(f"{_COSMOS3}:_apply_qwen3_qk_norm_rope_split",),
    depends=(f"{_COSMOS3}:_apply_qwen3_rope_from_cache", f"{_LAYERNORM}:apply_qk_norm"),
    forms=(Form(">=0.5.13", "upstreamed", "SGLang #27041: one call for both norms of Cosmos3's cross attention", (_compose,)),),
    note=COMPILED_CALLERS,
    in_compiled_code=True,
)
