"""``PunicaWrapperGPU.update_metadata``, which prepares two mappings whenever the batch of LoRA requests changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from syncfree.adapting import Binding, Form
from syncfree.hooks.lora_mapping import LoRATensors


def _compose(lora_mapping: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    from ._lora_slots import LoRASlots

    def prepare(meta: Any, slots: Any) -> None:
        """Do what `LoRAKernelMeta.prepare_tensors` does, from host data."""
        used = lora_mapping(slots, LoRATensors(*_tensors(meta)))
        captured = meta.captured_lora_counts
        if used and captured:
            # CUDA graphs were captured for these counts only.
            place = bisect_left(captured, used)
            used = captured[place] if place < len(captured) else used
        meta.no_lora_flag_cpu.fill_(used == 0)
        meta.num_active_loras_cpu.fill_(used)

    def update_metadata(
        self: Any, mapping: Any, lora_index_to_id: list[int | None], max_loras: int, vocab_size: int, **kwargs: Any
    ) -> None:
        self.is_prefill = mapping.is_prefill
        self._update_base_metadata(mapping, lora_index_to_id, max_loras, vocab_size)
        slots = LoRASlots(lora_index_to_id)  # every adapter has one, or the line above has raised
        prepare(self.token_mapping_meta, slots.of(mapping.index_mapping))
        if mapping.prompt_mapping == mapping.index_mapping:
            _copy(self.token_mapping_meta, self.prompt_mapping_meta, len(mapping.index_mapping))
        else:
            prepare(self.prompt_mapping_meta, slots.of(mapping.prompt_mapping))

    return update_metadata


def _tensors(meta: Any) -> tuple[Any, ...]:
    """The tensors that kernels read, in the order of `LoRATensors`."""
    return (
        meta.token_lora_mapping,
        meta.token_indices_sorted_by_lora_ids,
        meta.active_lora_ids,
        meta.num_tokens_per_lora,
        meta.lora_token_start_loc,
    )


def _copy(prepared: Any, other: Any, tokens: int) -> None:
    """Prepare the other one for the same mapping: where every request generates, tokens and prompts are the same."""
    other.no_lora_flag_cpu.copy_(prepared.no_lora_flag_cpu)
    other.num_active_loras_cpu.copy_(prepared.num_active_loras_cpu)
    pairs = list(zip(_tensors(prepared), _tensors(other), strict=True))
    if prepared.num_active_loras_cpu[0]:
        for source, destination in pairs[:2]:
            destination[:tokens].copy_(source[:tokens])
    for source, destination in pairs[2:]:
        destination.copy_(source)


_META = "vllm.lora.ops.triton_ops.lora_kernel_metadata:LoRAKernelMeta"
BINDING = Binding(
    hook="lora_mapping",
    targets=("vllm.lora.punica_wrapper.punica_gpu:PunicaWrapperGPU.update_metadata",),
    depends=(f"{_META}.prepare_tensors", f"{_META}._reset", "vllm.lora.punica_wrapper.utils:convert_mapping"),
    forms=(
        Form(
            releases=">=0.18.1",
            status="stalls",
            why="the mapping, which the host knows, is sorted and counted on the device and read back: 6 waits or more per change",
            compose=(_compose,),
        ),
    ),
)
