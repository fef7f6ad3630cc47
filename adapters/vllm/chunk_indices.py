"""``prepare_chunk_indices`` as layers of gated delta rules call it: with offsets on the device, whose lengths the step has on the host.

The metadata of a step has, for the causal convolution of the same layers, how many blocks of 8 tokens each of its sequences has.
A chunk is a number of whole blocks, so the blocks give the chunks: ceil(ceil(tokens / 8) / k) = ceil(tokens / 8k).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form

_BLOCK = 8  # tokens; the one size that `compute_causal_conv1d_metadata` counts in


def _blocks_of_this_step(offsets: Any) -> Any:
    """Return how many blocks each sequence has, ``[n]`` on the host, from the metadata made with these very offsets; else None."""
    context = sys.modules.get("vllm.forward_context")
    backend = sys.modules.get("vllm.v1.attention.backends.gdn_attn")
    if context is None or backend is None or not context.is_forward_context_available():
        return None
    of_layers = context.get_forward_context().attn_metadata
    if not isinstance(of_layers, dict):
        return None
    for metadata in of_layers.values():
        # A subclass has a builder of its own, which need not keep the two together.
        if type(metadata) is backend.GDNAttentionMetadata and metadata.non_spec_query_start_loc is offsets:
            of_sizes = metadata.nums_dict
            return None if of_sizes is None else of_sizes[_BLOCK]["nums"]
    return None


def _compose(list_chunks: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def listed(offsets: Any, chunk_size: int, blocks: Any) -> Any:
        return list_chunks(offsets, chunk_size, -(-blocks // (chunk_size // _BLOCK)))

    # Every layer of a step asks several times. vLLM's own cache compares objects, ours by the metadata's, too.
    once_per_step = upstream.__globals__["tensor_cache"](listed)

    def prepare_chunk_indices(cu_seqlens: Any, chunk_size: int) -> Any:
        blocks = None if chunk_size % _BLOCK else _blocks_of_this_step(cu_seqlens)
        return NotImplemented if blocks is None else once_per_step(cu_seqlens, chunk_size, blocks)

    return prepare_chunk_indices


_NOTE = "for the step's own offsets, known by the metadata of GDN_ATTN; others, and those of Kimi K3, are left to vLLM"


def _binding(library: str, *forms: Form) -> Binding:
    return Binding(
        hook="chunk_indices",
        targets=(f"vllm.{library}.ops.index:prepare_chunk_indices",),
        depends=(
            f"vllm.{library}.ops.utils:tensor_cache",
            "vllm.v1.attention.backends.gdn_attn:GDNAttentionMetadataBuilder.build",
            "vllm.v1.attention.backends.utils:compute_causal_conv1d_metadata",
        ),
        forms=forms,
        note=_NOTE,
    )


_READ_BACK = (
    "the chunk counts of the prefills, which the host knows, are read back from the device, and a pageable upload follows"
)
BINDINGS = (
    _binding("model_executor.layers.fla", Form(">=0.18.1,<0.26", "stalls", _READ_BACK, (_compose,))),
    _binding(
        "third_party.flash_linear_attention",
        Form(">=0.26.0,<0.28", "stalls", _READ_BACK, (_compose,)),
        Form(
            ">=0.28.0",
            "stalls",
            "the chunk counts of the prefills, which the host knows, are read back from the device",
            (_compose,),
        ),
    ),
)
