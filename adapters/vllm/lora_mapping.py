"""``PunicaWrapperGPU.update_metadata``, which prepares two mappings whenever the batch of LoRA requests changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

from syncfree.adapting import Binding, Form
from syncfree.hooks.lora_mapping import LoRATensors


def _compose(lora_mapping: Callable[..., Any], upstream: Callable[..., Any]) -> Callable[..., Any]:
    import numpy as np

    def prepare(meta: Any, lora_ids: Sequence[int], known: Any, slots: Any) -> None:
        """What `LoRAKernelMeta.prepare_tensors` does, from host data; ``slots`` of no adapter and of each in ``known``."""
        tensors = LoRATensors(
            meta.token_lora_mapping,
            meta.token_indices_sorted_by_lora_ids,
            meta.active_lora_ids,
            meta.num_tokens_per_lora,
            meta.lora_token_start_loc,
        )
        ids = np.fromiter(lora_ids, np.int64, len(lora_ids))
        # Positive ids are known, or convert_mapping has raised; 0 and less come before all of them.
        used = lora_mapping(slots[np.searchsorted(known, ids, side="right")], tensors)
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
        slot_of = {lora_id: slot for slot, lora_id in enumerate(lora_index_to_id) if lora_id is not None and lora_id > 0}
        known = np.array(sorted(slot_of), np.int64)
        slots = np.array([-1, *(slot_of[lora_id] for lora_id in sorted(slot_of))], np.int16)
        prepare(self.token_mapping_meta, mapping.index_mapping, known, slots)
        prepare(self.prompt_mapping_meta, mapping.prompt_mapping, known, slots)

    return update_metadata


_META = "vllm.lora.ops.triton_ops.lora_kernel_metadata:LoRAKernelMeta"
BINDING = Binding(
    hook="lora_mapping",
    targets=("vllm.lora.punica_wrapper.punica_gpu:PunicaWrapperGPU.update_metadata",),
    depends=(f"{_META}.prepare_tensors", f"{_META}._reset", "vllm.lora.punica_wrapper.utils:convert_mapping"),
    forms=(
        Form(
            releases=">=0.18.1,<=0.33.0",
            status="needed",
            why="the mapping, which the host knows, is sorted and counted on the device and read back, twice per change",
            compose=(_compose,),
        ),
    ),
    note="up to 0.21 vLLM's convert_mapping still waits for two uploads of its own",
)
