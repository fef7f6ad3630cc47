"""SGLang's Ulysses attention with replicated tokens: the methods that exchange only what is sharded.

Text tokens lie on every rank, so upstream exchanges the other tokens' Q, K and V, and puts this rank's heads of the
replicated ones beside them. The replacements do that with one call for three tensors, and decline beside a ring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncfree.adapting import Compose, Form

from ._qkv import THREE, Exchange, Method, attention_binding, gather, goes_over_ipc, is_ulysses_alone, own_heads, usp_of

if TYPE_CHECKING:
    import torch


def _split(length: int, first: bool, *tensors: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The replicated tokens of each tensor, which come first or last, and the others."""
    if first:
        return [x[:, :length] for x in tensors], [x[:, length:] for x in tensors]
    return [x[:, -length:] for x in tensors], [x[:, :-length] for x in tensors]


def _join(library: Any, first: bool, replicated: torch.Tensor, others: torch.Tensor) -> Any:
    return library.cat([replicated, others] if first else [others, replicated], dim=1)


def _give_back(module: dict[str, Any], out: torch.Tensor, length: int, first: bool) -> Any:
    """Exchange the output back, and gather the heads of the replicated tokens."""
    torch = module["torch"]
    (replicated,), (others,) = _split(length, first, out)
    others = module["_usp_output_all_to_all"](others, head_dim=2)
    heads = [torch.empty_like(replicated) for _ in range(module["get_ulysses_parallel_world_size"]())]
    torch.distributed.all_gather(heads, replicated.contiguous(), group=module["get_sp_group"]().ulysses_group)
    return _join(torch, first, torch.cat(heads, dim=2), others)


def _own_heads_of_each(rank: int, gathered: list[torch.Tensor], replicated: list[torch.Tensor]) -> list[torch.Tensor]:
    q, k, _ = gathered
    q_rep, k_rep, v_rep = replicated
    return [*own_heads(rank, q, q_rep), *own_heads(rank, k, k_rep, v_rep)]


def _compose_joined(grouped: bool) -> Compose:
    """0.5.10 to 0.5.17, where a suffix is turned into a prefix; `grouped`: K and V may have fewer heads than Q."""

    def compose(exchange: Exchange, upstream: Method) -> Method:
        module = upstream.__globals__
        library = module["torch"]

        def _forward_with_replicated_prefix(
            self: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, ctx_attn_metadata: Any, num_rep: int
        ) -> Any:
            if not is_ulysses_alone(module) or not (grouped or q.shape[2] == k.shape[2] == v.shape[2]):
                return NotImplemented
            replicated, sharded = _split(num_rep, True, q, k, v)
            gathered = gather(exchange, usp_of(module), *sharded)
            if gathered is NotImplemented:
                return NotImplemented
            replicated = _own_heads_of_each(module["get_sp_parallel_rank"](), gathered, replicated)
            joined = [_join(library, True, *pair) for pair in zip(replicated, gathered, strict=True)]
            return _give_back(module, self.attn_impl.forward(*joined, ctx_attn_metadata), num_rep, True)

        return _forward_with_replicated_prefix

    return compose


def _compose_beside(first: bool) -> Compose:
    """0.5.18 to 0.5.21: the replicated K and V, which come first or last, are handed over beside the gathered ones."""

    def compose(exchange: Exchange, upstream: Method) -> Method:
        module = upstream.__globals__

        def _forward_with_replicated_tokens(
            self: Any,
            q: torch.Tensor,
            k: torch.Tensor,
            v: torch.Tensor,
            ctx_attn_metadata: Any,
            num_rep: int,
            attn_mask: torch.Tensor | None = None,  # of a prefix, from 0.5.20
            *masked: Any,
        ) -> Any:
            if attn_mask is not None or num_rep <= 0 or not is_ulysses_alone(module) or goes_over_ipc(usp_of(module)):
                return NotImplemented
            replicated, sharded = _split(num_rep, first, q, k, v)
            gathered = gather(exchange, usp_of(module), *sharded)
            if gathered is NotImplemented:
                return NotImplemented
            q_rep, k_rep, v_rep = _own_heads_of_each(module["get_ulysses_parallel_rank"](), gathered, replicated)
            q, k, v = gathered
            q = _join(module["torch"], first, q_rep, q)
            last: dict[str, bool] = {} if first else {"rep_first": False}
            out = self._replicated_kv_attention(q, k, v, k_rep, v_rep, ctx_attn_metadata, **last)
            return _give_back(module, out, num_rep, first)

        return _forward_with_replicated_tokens

    return compose


PREFIX = attention_binding(
    "_forward_with_replicated_prefix",
    Form(">=0.5.10,<0.5.16", "repeats work", THREE, (_compose_joined(grouped=False),)),
    Form(">=0.5.16,<0.5.18", "repeats work", THREE, (_compose_joined(grouped=True),)),
    Form(">=0.5.18,<0.5.22", "repeats work", THREE, (_compose_beside(first=True),)),
    Form(">=0.5.22", "upstreamed", "exchanges Q, K and V through one function", None),
)
SUFFIX = attention_binding(
    "_forward_with_replicated_suffix",
    Form(">=0.5.10,<0.5.18", "upstreamed", "turns the suffix into a prefix, and takes that path", None),
    Form(">=0.5.18,<0.5.22", "repeats work", THREE, (_compose_beside(first=False),)),
    Form(">=0.5.22", "upstreamed", "exchanges Q, K and V through one function", None),
)
