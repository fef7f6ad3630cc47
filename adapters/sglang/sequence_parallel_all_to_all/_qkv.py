"""Shared parts of the bindings of SGLang's Ulysses attention: Q, K and V gathered in one call, and the calls left to upstream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncfree.adapting import Binding, Form

from ..compiled_callers import COMPILED_CALLERS

if TYPE_CHECKING:
    import torch

Exchange = Callable[..., Any]
Method = Callable[..., Any]

USP = "sglang.multimodal_gen.runtime.layers.usp"
LAYER = "sglang.multimodal_gen.runtime.layers.attention.layer"
THREE = "three exchanges, one after the other"


def attention_binding(method: str, *forms: Form, depends: tuple[str, ...] = ()) -> Binding:
    """Make the binding of a method of the attention layer, which exchanges what it is given before it attends.

    Args:
        method: its name.
        forms: what it was in which releases.
        depends: further functions of the layer's module that it relies on.
    """
    return Binding(
        hook="sequence_parallel_all_to_all",
        targets=(f"{LAYER}:USPAttention.{method}",),
        depends=(f"{USP}:_usp_input_all_to_all", *(f"{LAYER}:{name}" for name in depends)),
        forms=forms,
        note=COMPILED_CALLERS,
        in_compiled_code=True,
    )


def gather(exchange: Exchange, usp: dict[str, Any], *tensors: torch.Tensor) -> Any:
    """Exchange ``[b, s, h, d]`` for ``[b, size * s, h / size, d]``, as ``_usp_input_all_to_all(x, head_dim=2)`` does.

    The sequence goes before the heads on the way, where upstream has it behind them and puts it in order afterwards.

    Args:
        usp: the globals of SGLang's module ``usp``.

    Returns:
        A list; NotImplemented when the implementation declines, and for heads that cannot be split, which upstream refuses.
    """
    size = usp["get_ulysses_parallel_world_size"]()
    if any(x.ndim != 4 or x.shape[2] % size for x in tensors):
        return NotImplemented
    sent = tuple(x.unflatten(2, (size, -1)).movedim(2, 0) for x in tensors)  # [size, b, s, h / size, d]
    received = exchange(sent, usp["get_sp_group"]().ulysses_group)
    if received is NotImplemented:
        return NotImplemented
    # For one sample that is a view: what came from the ranks lies one behind the other.
    return [x.transpose(0, 1).reshape(x.shape[1], -1, *x.shape[3:]) for x in received]


def usp_of(module: dict[str, Any]) -> dict[str, Any]:
    """The globals of ``usp``, from those of the attention layer."""
    globals_of: dict[str, Any] = module["_usp_input_all_to_all"].__globals__
    return globals_of


def is_ulysses_alone(module: dict[str, Any]) -> bool:
    """There are Ulysses ranks and no ring."""
    return bool(module["get_ulysses_parallel_world_size"]() > 1 and module["get_ring_parallel_world_size"]() <= 1)


def goes_over_ipc(usp: dict[str, Any]) -> bool:
    """Two ranks of 0.5.18 and newer may exchange over CUDA-IPC, which stays upstream's."""
    return bool(usp["get_ulysses_parallel_world_size"]() == 2 and usp["_ipc_ready_group"]() is not None)


def own_heads(rank: int, gathered: torch.Tensor, *replicated: torch.Tensor) -> list[torch.Tensor]:
    """The heads of replicated tokens that this rank attends with."""
    heads = gathered.shape[2]
    return [x[:, :, rank * heads : (rank + 1) * heads, :].contiguous() for x in replicated]
