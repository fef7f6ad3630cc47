"""``causal_conv1d_fn`` as Mamba-1 layers call it up to 0.21: without the metadata that the step has already."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from syncfree.adapting import Binding, Form


def _of_this_step() -> Iterator[tuple[Any, Any]]:
    """The offsets of this step's prefills and the metadata made for them on the host, by layer."""
    context = sys.modules["vllm.forward_context"]
    if context.is_forward_context_available():
        of_layers = context.get_forward_context().attn_metadata
        if isinstance(of_layers, dict):
            for metadata in of_layers.values():
                if getattr(metadata, "nums_dict", None) is not None:
                    yield metadata.query_start_loc_p, metadata


# Both releases' parameters are written out: with *arguments a call takes 3 % longer, its kernel aside.
def _compose(find: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    def causal_conv1d_fn(
        x: Any,
        weight: Any,
        bias: Any,
        conv_states: Any,
        query_start_loc: Any,
        cache_indices: Any = None,
        has_initial_state: Any = None,
        activation: Any = "silu",
        pad_slot_id: Any = -1,
        null_block_id: Any = 0,
        block_idx_first_scheduled_token: Any = None,
        block_idx_last_scheduled_token: Any = None,
        initial_state_idx: Any = None,
        num_computed_tokens: Any = None,
        block_size_to_align: Any = 0,
        metadata: Any = None,
        validate_data: Any = False,
    ) -> Any:
        if metadata is None:
            metadata = find(query_start_loc, _of_this_step())
            if metadata is NotImplemented:
                return NotImplemented
        return upstream(
            x,
            weight,
            bias,
            conv_states,
            query_start_loc,
            cache_indices,
            has_initial_state,
            activation,
            pad_slot_id,
            null_block_id,
            block_idx_first_scheduled_token,
            block_idx_last_scheduled_token,
            initial_state_idx,
            num_computed_tokens,
            block_size_to_align,
            metadata,
            validate_data,
        )

    return causal_conv1d_fn


def _compose_0_19(find: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Without the parameter ``null_block_id``."""

    def causal_conv1d_fn(
        x: Any,
        weight: Any,
        bias: Any,
        conv_states: Any,
        query_start_loc: Any,
        cache_indices: Any = None,
        has_initial_state: Any = None,
        activation: Any = "silu",
        pad_slot_id: Any = -1,
        block_idx_first_scheduled_token: Any = None,
        block_idx_last_scheduled_token: Any = None,
        initial_state_idx: Any = None,
        num_computed_tokens: Any = None,
        block_size_to_align: Any = 0,
        metadata: Any = None,
        validate_data: Any = False,
    ) -> Any:
        if metadata is None:
            metadata = find(query_start_loc, _of_this_step())
            if metadata is NotImplemented:
                return NotImplemented
        return upstream(
            x,
            weight,
            bias,
            conv_states,
            query_start_loc,
            cache_indices,
            has_initial_state,
            activation,
            pad_slot_id,
            block_idx_first_scheduled_token,
            block_idx_last_scheduled_token,
            initial_state_idx,
            num_computed_tokens,
            block_size_to_align,
            metadata,
            validate_data,
        )

    return causal_conv1d_fn


_STALLS = "each Mamba-1 layer reads the sequence lengths back and waits for two uploads, in every step with prefills"
BINDING = Binding(
    hook="conv_metadata",
    targets=("vllm.model_executor.layers.mamba.ops.causal_conv1d:causal_conv1d_fn",),
    depends=("vllm.model_executor.layers.mamba.mamba_mixer:MambaMixer.forward_impl",),
    forms=(
        Form(">=0.19.0,<0.20", "stalls", _STALLS, (_compose_0_19,)),
        Form(">=0.20.0,<0.22", "stalls", _STALLS, (_compose,)),
        Form(">=0.22.0", "upstreamed", "vLLM #41429 passes the step's metadata on", None),
    ),
)
