"""SGLang's Ulysses exchange, ``usp._usp_all_to_all_single``.

It is called as a global of its own module only (by the input, output and packed exchanges there), so no copy
goes stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from ..compiled_callers import COMPILED_CALLERS
from ._transports import other_transport

if TYPE_CHECKING:
    import torch

Exchange = Callable[..., Any]

_NO_GROUP = "Ulysses process group is not initialized."


def _compose(exchange: Exchange, upstream: Callable[..., Any]) -> Callable[..., Any]:
    """To 0.5.21: any tensor, exchanged as the equal parts of its elements in memory order.

    From 0.5.18 a role names a staging buffer; an implementation brings its own output instead.
    """
    get_sp_group = upstream.__globals__["get_sp_group"]

    def _usp_all_to_all_single(x: torch.Tensor, role: str | None = None) -> Any:
        group = get_sp_group().ulysses_group
        assert group is not None, _NO_GROUP
        received = exchange((x.flatten(),), group)
        return received if received is NotImplemented else received[0].reshape(x.shape)

    return _usp_all_to_all_single


def _compose_beside_transports(exchange: Exchange, upstream: Callable[..., Any]) -> Callable[..., Any]:
    """From 0.5.22: what goes over CUDA-IPC, and from 0.5.23 over CPU shared memory, stays upstream's."""
    get_sp_group = upstream.__globals__["get_sp_group"]
    is_upstreams = other_transport(upstream.__globals__)

    def _usp_all_to_all_single(x: torch.Tensor, role: str | None = None) -> Any:
        sp_group = get_sp_group()
        group = sp_group.ulysses_group
        assert group is not None, _NO_GROUP
        if is_upstreams(sp_group, x):
            return NotImplemented
        received = exchange((x.flatten(),), group)
        return received if received is NotImplemented else received[0].reshape(x.shape)

    return _usp_all_to_all_single


BINDING = Binding(
    hook="sequence_parallel_all_to_all",
    targets=("sglang.multimodal_gen.runtime.layers.usp:_usp_all_to_all_single",),
    forms=(
        Form(
            releases=">=0.5.9,<0.5.12",
            status="repeats work",
            why="a functional collective and its wait operator, hundreds of times per step",
            compose=(_compose,),
        ),
        Form(releases=">=0.5.12,<0.5.18", status="upstreamed", why="SGLang #24366", compose=(_compose,)),
        Form(
            releases=">=0.5.18,<0.5.22",
            status="upstreamed",
            why="SGLang #24366, with staging buffers that an implementation replaces by its own output",
            compose=(_compose,),
        ),
        Form(
            releases=">=0.5.22",
            status="upstreamed",
            why="SGLang #24366, with transports of its own that stay upstream's",
            compose=(_compose_beside_transports,),
        ),
    ),
    note=COMPILED_CALLERS,
    in_compiled_code=True,
)
