"""``convert_mapping``, which makes the index tensors of a batch whenever its LoRA requests change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from syncfree.adapting import Binding, Form


def _convert(indices: Callable[..., Any], mapping: Any, ids: Any, max_loras: int, scales: Sequence[int], device: Any) -> Any:
    from ._lora_slots import LoRASlots

    slots = LoRASlots(ids)
    of_token, of_prompt = slots.of(mapping.index_mapping), slots.of(mapping.prompt_mapping)
    if of_token is None or of_prompt is None or not len(of_token) or not len(of_prompt):
        return NotImplemented
    return indices(of_token, of_prompt, max_loras, scales, device)


def _compose_two_rows(indices: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    """Up to 0.28: a second row of embedding indices, for vocabularies that adapters extend."""
    torch_device = upstream.__globals__["torch"].device  # vLLM lets a device be a string

    def convert_mapping(
        mapping: Any,
        lora_index_to_id: list[int | None],
        max_loras: int,
        vocab_size: int,
        extra_vocab_size: int,
        device: Any,
    ) -> Any:
        scales = extra_vocab_size, vocab_size + extra_vocab_size
        made = _convert(indices, mapping, lora_index_to_id, max_loras, scales, torch_device(device))
        return made if made is NotImplemented else (*made, [tensor.shape[-1] for tensor in made])

    return convert_mapping


def _compose(indices: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    torch_device = upstream.__globals__["torch"].device

    def convert_mapping(
        mapping: Any, lora_index_to_id: list[int | None], max_loras: int, vocab_size: int, device: Any
    ) -> Any:
        made = _convert(indices, mapping, lora_index_to_id, max_loras, (vocab_size,), torch_device(device))
        if made is NotImplemented:
            return made
        base, sampler, padded, embeddings = made
        lengths = [tensor.shape[-1] for tensor in made]
        return base, sampler, padded, embeddings[0], lengths

    return convert_mapping


_BLOCKS = "two blocking uploads per change of the mapping, and Python loops over all tokens"
_LOOPS = "Python loops over all tokens at every change of the mapping"
BINDING = Binding(
    hook="lora_indices",
    targets=("vllm.lora.punica_wrapper.utils:convert_mapping",),
    forms=(
        Form(">=0.18.1,<0.22", "stalls", _BLOCKS, (_compose_two_rows,)),
        Form(">=0.22.0,<0.29", "repeats work", _LOOPS, (_compose_two_rows,)),
        Form(">=0.29.0", "repeats work", _LOOPS, (_compose,)),
    ),
    repeatable=True,
    note="an adapter that is in no slot is left to vLLM, which raises",
)
