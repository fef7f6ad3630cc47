"""SGLang's exchange of Q, K and V together, ``usp._usp_input_all_to_all_qkv``, from 0.5.18.

Upstream packs what its kernel takes: fp16 and bf16 on CUDA, the same shape for all three. Anything else, such as fp32 or fewer
heads in K and V than in Q, it exchanges one after the other, and that is what is replaced. From 0.5.22 every path of the
attention layer but the replicated K/V prefix comes here: with a mask, with a replicated prefix or suffix, and without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from ..compiled_callers import COMPILED_CALLERS
from ._qkv import USP, Exchange, Method, gather, goes_over_ipc
from ._transports import other_transport

if TYPE_CHECKING:
    import torch

_WHY = "packs what its kernel takes; the rest is exchanged one after the other"


def _compose(exchange: Exchange, upstream: Method) -> Method:
    """0.5.18 to 0.5.21."""
    usp = upstream.__globals__

    def _usp_input_all_to_all_qkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        if _is_upstreams(usp, q, k, v):
            return NotImplemented
        gathered = gather(exchange, usp, q, k, v)
        return gathered if gathered is NotImplemented else tuple(gathered)

    return _usp_input_all_to_all_qkv


def _compose_beside_transports(exchange: Exchange, upstream: Method) -> Method:
    """From 0.5.22: one tensor that goes over another transport leaves all three to upstream."""
    usp = upstream.__globals__
    goes_elsewhere = other_transport(usp)

    def _usp_input_all_to_all_qkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        if _is_upstreams(usp, q, k, v):
            return NotImplemented
        sp_group = usp["get_sp_group"]()
        if any(goes_elsewhere(sp_group, x) for x in (q, k, v)):
            return NotImplemented
        gathered = gather(exchange, usp, q, k, v)
        return gathered if gathered is NotImplemented else tuple(gathered)

    return _usp_input_all_to_all_qkv


def _is_upstreams(usp: dict[str, Any], q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> bool:
    """There is nobody to exchange with, the kernel takes it, or two ranks exchange over CUDA-IPC."""
    size = usp["get_ulysses_parallel_world_size"]()
    return bool(size <= 1 or usp["_can_use_packed_qkv_a2a_4d"](q, k, v, size) or goes_over_ipc(usp))


BINDING = Binding(
    hook="sequence_parallel_all_to_all",
    targets=(f"{USP}:_usp_input_all_to_all_qkv",),
    depends=(f"{USP}:_usp_input_all_to_all", f"{USP}:_can_use_packed_qkv_a2a_4d"),
    forms=(
        Form(">=0.5.18,<0.5.22", "upstreamed", _WHY, (_compose,)),
        Form(">=0.5.22", "upstreamed", _WHY, (_compose_beside_transports,)),
    ),
    note=COMPILED_CALLERS,
    in_compiled_code=True,
)
