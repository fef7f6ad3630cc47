"""Slots of LoRA adapters for whole batches, found by NumPy instead of token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class LoRASlots:
    """The slots of one step. Ids of adapters are positive; 0 and less mean no adapter."""

    def __init__(self, lora_index_to_id: Sequence[int | None]) -> None:
        slot_of = {lora_id: slot for slot, lora_id in enumerate(lora_index_to_id) if lora_id is not None and lora_id > 0}
        known = sorted(slot_of)
        self._known = np.array([0, *known], np.int64)
        self._slots = np.array([-1, *map(slot_of.__getitem__, known)], np.int16)

    def of(self, lora_ids: Sequence[int]) -> np.ndarray[Any, Any] | None:
        """The slot of each id, -1 for no adapter; None when an adapter is in no slot."""
        ids = np.maximum(np.fromiter(lora_ids, np.int64, len(lora_ids)), 0)
        places = self._known.searchsorted(ids, side="right") - 1
        return self._slots[places] if np.array_equal(self._known[places], ids) else None
