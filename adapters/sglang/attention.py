"""SGLang's Ulysses attention: the places where Q, K and V are exchanged one after the other.

Each replacement repeats upstream's few lines with one exchange of three tensors in the place of three, and declines every
other path of the method. Upstream packs its main path itself from 0.5.15.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

if TYPE_CHECKING:
    import torch

Exchange = Callable[..., Any]
Method = Callable[..., Any]

_ATTENTION = "sglang.multimodal_gen.runtime.layers.attention.layer:USPAttention"
_USP = "sglang.multimodal_gen.runtime.layers.usp"
_THREE = "three exchanges, one after the other"


def _gather(exchange: Exchange, module: dict[str, Any], *tensors: torch.Tensor) -> Any:
    """Exchange ``[b, s, h, d]`` for ``[b, size * s, h / size, d]``, as ``_usp_input_all_to_all(x, head_dim=2)`` does.

    NotImplemented when the implementation declines, and for heads that cannot be split, which upstream refuses.
    """
    size = module["get_ulysses_parallel_world_size"]()
    if any(x.shape[2] % size for x in tensors):
        return NotImplemented
    usp = module["_usp_input_all_to_all"].__globals__
    received = exchange(tuple(x.permute(2, 0, 1, 3) for x in tensors), usp["get_sp_group"]().ulysses_group)
    if received is NotImplemented:
        return NotImplemented
    gathered = []
    for x, parts in zip(tensors, received, strict=True):
        b, s, h, d = x.shape
        by_rank = parts.reshape(size, h // size, b, s, d).permute(2, 0, 3, 1, 4).contiguous()
        gathered.append(by_rank.reshape(b, size * s, h // size, d))
    return gathered


def _is_ulysses_alone(module: dict[str, Any]) -> bool:
    return bool(module["get_ulysses_parallel_world_size"]() > 1 and module["get_ring_parallel_world_size"]() <= 1)


def _attend(exchange: Exchange, module: dict[str, Any], self: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
    """The path without mask and without replicated tokens."""
    if not _is_ulysses_alone(module):
        return NotImplemented
    metadata = module["get_forward_context"]().attn_metadata
    gathered = _gather(exchange, module, q, k, v)
    if gathered is NotImplemented:
        return NotImplemented
    return module["_usp_output_all_to_all"](self.attn_impl.forward(*gathered, metadata), head_dim=2)


def _compose_forward_0_5_9(exchange: Exchange, upstream: Method) -> Method:
    module = upstream.__globals__

    def forward(
        self: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        replicated_q: torch.Tensor | None = None,
        replicated_k: torch.Tensor | None = None,
        replicated_v: torch.Tensor | None = None,
    ) -> Any:
        if not (replicated_q is None and replicated_k is None and replicated_v is None):
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _compose_forward_0_5_10(exchange: Exchange, upstream: Method) -> Method:
    module = upstream.__globals__

    def forward(
        self: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        num_replicated_prefix: int = 0,
        num_replicated_suffix: int = 0,
    ) -> Any:
        if num_replicated_prefix or num_replicated_suffix or self.skip_sequence_parallel:
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _compose_forward_0_5_11(exchange: Exchange, upstream: Method) -> Method:
    module = upstream.__globals__

    def forward(
        self: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        num_replicated_prefix: int = 0,
        num_replicated_suffix: int = 0,
        skip_sequence_parallel_override: bool = False,
    ) -> Any:
        if attn_mask is not None or num_replicated_prefix or num_replicated_suffix:
            return NotImplemented
        if self.skip_sequence_parallel or skip_sequence_parallel_override:
            return NotImplemented
        return _attend(exchange, module, self, q, k, v)

    return forward


def _compose_replicated_kv_prefix(exchange: Exchange, upstream: Method) -> Method:
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
        if not _is_ulysses_alone(module):
            return NotImplemented
        gathered = _gather(exchange, module, q, k_shard, v_shard)
        if gathered is NotImplemented:
            return NotImplemented
        q, k_shard, v_shard = gathered
        k_rep, v_rep = _own_heads(module["get_sp_parallel_rank"](), k_shard, k_rep, v_rep)
        k, v = cat([k_rep, k_shard], dim=1), cat([v_rep, v_shard], dim=1)
        out = self.attn_impl.forward(q, k, v, ctx_attn_metadata)
        return module["_usp_output_all_to_all"](out, head_dim=2)

    return _forward_with_replicated_kv_prefix_split


def _compose_replicated_kv_beside_ring(exchange: Exchange, upstream: Method) -> Method:
    """0.5.18 to 0.5.21."""
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
        if not _is_ulysses_alone(module):
            return NotImplemented
        gathered = _gather(exchange, module, q, k_shard, v_shard)
        if gathered is NotImplemented:
            return NotImplemented
        q, k_shard, v_shard = gathered
        k_rep, v_rep = _own_heads(module["get_ulysses_parallel_rank"](), k_shard, k_rep, v_rep)
        out = self._replicated_kv_attention(q, k_shard, v_shard, k_rep, v_rep, ctx_attn_metadata)
        return module["_usp_output_all_to_all"](out, head_dim=2)

    return _forward_with_replicated_kv_prefix_split


def _own_heads(rank: int, gathered: torch.Tensor, *replicated: torch.Tensor) -> list[torch.Tensor]:
    """The heads of replicated tokens that this rank attends with."""
    heads = gathered.shape[2]
    return [x[:, :, rank * heads : (rank + 1) * heads, :].contiguous() for x in replicated]


FORWARD = Binding(
    hook="sequence_parallel_all_to_all",
    targets=(f"{_ATTENTION}.forward",),
    depends=(f"{_USP}:_usp_input_all_to_all",),
    forms=(
        Form(">=0.5.9,<0.5.10", "needed", _THREE, (_compose_forward_0_5_9,)),
        Form(">=0.5.10,<0.5.11", "needed", _THREE, (_compose_forward_0_5_10,)),
        Form(">=0.5.11,<0.5.13", "needed", _THREE, (_compose_forward_0_5_11,)),
        Form(">=0.5.13,<=0.5.23", "upstreamed", "upstream packs Q, K and V itself where a model asks for it", None),
    ),
    compiled=True,
    note="compiled regions keep the choice that they were traced with",
)
REPLICATED_KV_PREFIX = Binding(
    hook="sequence_parallel_all_to_all",
    targets=(f"{_ATTENTION}._forward_with_replicated_kv_prefix_split",),
    depends=(f"{_USP}:_usp_input_all_to_all",),
    forms=(
        Form(">=0.5.13,<0.5.18", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_replicated_kv_prefix,)),
        Form(">=0.5.18,<0.5.22", "upstreamed", "SGLang #27143: overlapped on CUDA", (_compose_replicated_kv_beside_ring,)),
        Form(">=0.5.22,<=0.5.23", "upstreamed", "SGLang #27143, inside a pipeline that stays upstream's", None),
    ),
    compiled=True,
    note="compiled regions keep the choice that they were traced with",
)
