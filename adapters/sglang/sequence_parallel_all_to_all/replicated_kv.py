"""SGLang's Ulysses attention whose K and V alone have a replicated prefix; SGLang #27143 is about its exchanges."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Compose, Form

from ._qkv import Exchange, Method, attention_binding, gather, is_ulysses_alone, own_heads, usp_of

if TYPE_CHECKING:
    import torch


def _compose_from(rank_of: str, attend: Callable[..., Any], on_cuda: bool = True) -> Compose:
    """Make a compose function.

    Args:
        rank_of: the function of the layer's module that tells this rank.
        attend: of that module, the layer, Q, replicated K and V, gathered K and V and the metadata, the attention.
        on_cuda: tensors on CUDA, too.
    """

    def compose(exchange: Exchange, upstream: Method) -> Method:
        module = upstream.__globals__

        def _forward_with_replicated_kv_prefix_split(
            self: Any,
            q: torch.Tensor,
            k_rep: torch.Tensor,
            v_rep: torch.Tensor,
            k_shard: torch.Tensor,
            v_shard: torch.Tensor,
            ctx_attn_metadata: Any,
        ) -> Any:
            if not is_ulysses_alone(module) or (q.is_cuda and not on_cuda):
                return NotImplemented
            gathered = gather(exchange, usp_of(module), q, k_shard, v_shard)
            if gathered is NotImplemented:
                return NotImplemented
            q, k_shard, v_shard = gathered
            k_rep, v_rep = own_heads(module[rank_of](), k_shard, k_rep, v_rep)
            out = attend(module, self, q, k_rep, v_rep, k_shard, v_shard, ctx_attn_metadata)
            return module["_usp_output_all_to_all"](out, head_dim=2)

        return _forward_with_replicated_kv_prefix_split

    return compose


def _joined(module: Any, layer: Any, q: Any, k_rep: Any, v_rep: Any, k: Any, v: Any, metadata: Any) -> Any:
    """To 0.5.17: K and V of replicated tokens go before what was gathered."""
    cat = module["torch"].cat
    return layer.attn_impl.forward(q, cat([k_rep, k], dim=1), cat([v_rep, v], dim=1), metadata)


def _beside(module: Any, layer: Any, q: Any, k_rep: Any, v_rep: Any, k: Any, v: Any, metadata: Any) -> Any:
    """From 0.5.18: they are handed over beside it."""
    return layer._replicated_kv_attention(q, k, v, k_rep, v_rep, metadata)


_compose = _compose_from("get_sp_parallel_rank", _joined)
_compose_beside = _compose_from("get_ulysses_parallel_rank", _beside)
_compose_beside_pipeline = _compose_from("get_ulysses_parallel_rank", _beside, on_cuda=False)
"""From 0.5.22: on CUDA upstream may pipeline attention with the exchange; where it does not, `turbo` is what it calls."""

BINDING = attention_binding(
    "_forward_with_replicated_kv_prefix_split",
    Form(">=0.5.13,<0.5.18", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose,)),
    Form(">=0.5.18,<0.5.22", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_beside,)),
    Form(">=0.5.22", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_beside_pipeline,)),
)
