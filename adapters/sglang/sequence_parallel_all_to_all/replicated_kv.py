"""SGLang's Ulysses attention whose K and V alone have a replicated prefix; SGLang #27143 is about its exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from ._qkv import ATTENTION, USP, Exchange, Method, gather, is_ulysses_alone, own_heads, usp_of

if TYPE_CHECKING:
    import torch


def _compose(exchange: Exchange, upstream: Method) -> Method:
    """0.5.13 to 0.5.17: K and V of replicated tokens go before what was gathered."""
    module = upstream.__globals__
    cat = module["torch"].cat

    def _forward_with_replicated_kv_prefix_split(
        self: Any,
        q: torch.Tensor,
        k_rep: torch.Tensor,
        v_rep: torch.Tensor,
        k_shard: torch.Tensor,
        v_shard: torch.Tensor,
        ctx_attn_metadata: Any,
    ) -> Any:
        if not is_ulysses_alone(module):
            return NotImplemented
        gathered = gather(exchange, usp_of(module), q, k_shard, v_shard)
        if gathered is NotImplemented:
            return NotImplemented
        q, k_shard, v_shard = gathered
        k_rep, v_rep = own_heads(module["get_sp_parallel_rank"](), k_shard, k_rep, v_rep)
        k, v = cat([k_rep, k_shard], dim=1), cat([v_rep, v_shard], dim=1)
        out = self.attn_impl.forward(q, k, v, ctx_attn_metadata)
        return module["_usp_output_all_to_all"](out, head_dim=2)

    return _forward_with_replicated_kv_prefix_split


def _compose_beside(exchange: Exchange, upstream: Method) -> Method:
    """0.5.18 to 0.5.21."""
    return _beside(exchange, upstream, on_cuda=True)


def _compose_beside_pipeline(exchange: Exchange, upstream: Method) -> Method:
    """From 0.5.22: on CUDA upstream may pipeline attention with the exchange; where it does not, `turbo` is what it calls."""
    return _beside(exchange, upstream, on_cuda=False)


def _beside(exchange: Exchange, upstream: Method, on_cuda: bool) -> Method:
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
        k_rep, v_rep = own_heads(module["get_ulysses_parallel_rank"](), k_shard, k_rep, v_rep)
        out = self._replicated_kv_attention(q, k_shard, v_shard, k_rep, v_rep, ctx_attn_metadata)
        return module["_usp_output_all_to_all"](out, head_dim=2)

    return _forward_with_replicated_kv_prefix_split


BINDING = Binding(
    hook="sequence_parallel_all_to_all",
    targets=(f"{ATTENTION}._forward_with_replicated_kv_prefix_split",),
    depends=(f"{USP}:_usp_input_all_to_all",),
    forms=(
        Form(">=0.5.13,<0.5.18", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose,)),
        Form(">=0.5.18,<0.5.22", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_beside,)),
        Form(">=0.5.22", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_beside_pipeline,)),
    ),
    compiled=True,
    note="compiled regions keep the choice that they were traced with",
)
